//! The bytes of a connection: plain or TLS, and the answers that no HTTP server would write.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, whatever lies between it and TCP.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// What is written in the place of an answer.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) at_once: Vec<u8>,
    /// Then these, one by one.
    pub(crate) dripping: Vec<u8>,
    /// From one of them to the next.
    pub(crate) pace: Duration,
    pub(crate) end: End,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    #[default]
    Close,
    /// RST.
    Reset,
    /// It stays until the client closes it.
    Hold,
}

impl Script {
    /// Plays it to its end; an error is the client's, who has gone.
    pub(crate) async fn play(self, mut wire: impl Wire) -> io::Result<()> {
        wire.write_all(&self.at_once).await?;
        wire.flush().await?;
        for byte in self.dripping {
            wire.write_u8(byte).await?;
            wire.flush().await?;
            tokio::time::sleep(self.pace).await;
        }
        match self.end {
            End::Close => wire.shutdown().await,
            End::Reset => wire.tcp().set_zero_linger(),
            End::Hold => {
                let mut unread = [0; 1_024];
                while wire.read(&mut unread).await? > 0 {}
                Ok(())
            }
        }
    }
}
