//! The client against small servers of its own, and its readers against good, odd and hostile bodies.

mod decode;
mod faults;
mod lists;
mod login;
mod paging;
mod primary;
mod probe;
mod requests;
mod tls;
mod versions;
