//! Tape: drives, media, volume pools, hosts of robots as the API writes them.
