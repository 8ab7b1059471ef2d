//! The client against small servers of its own, and its readers against good, odd and hostile bodies.

mod decode;
mod faults;
mod hostile;
mod lists;
mod login;
mod outages;
mod paging;
mod primary;
mod probe;
mod proxy;
mod requests;
mod streams;
mod tls;
mod versions;
