//! The main program: arguments, logging, configuration, listeners, exit code. The only place that exits.

fn main() {}
