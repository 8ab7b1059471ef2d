//! An answer in two parts of ready bytes: the data, made when they were published, and the tail, made a moment ago.
//! Both are sent as they are, with one exact length.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// The body of a scrape.
pub(super) struct TwoParts {
    parts: [Bytes; 2],
    /// The scrape is over when its last byte is on its way or its client is gone: when this body is dropped.
    _scrape: Option<OwnedSemaphorePermit>,
}

impl TwoParts {
    pub(super) fn new(parts: [Bytes; 2], scrape: Option<OwnedSemaphorePermit>) -> TwoParts {
        TwoParts { parts, _scrape: scrape }
    }
}

impl Body for TwoParts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.get_mut().parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take);
        Poll::Ready(next.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.parts.iter().map(|part| part.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn the_length_is_exact_and_empty_parts_are_no_frames() {
        for (parts, frames) in [(["data", "tail"], 2), (["", "tail"], 1), (["data", ""], 1), (["", ""], 0)] {
            let expected = parts.concat();
            let mut body = TwoParts::new(parts.map(|part| Bytes::from_static(part.as_bytes())), None);
            assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
            let mut seen = Vec::new();
            while let Some(frame) = body.frame().await {
                seen.push(frame.unwrap().into_data().unwrap());
            }
            assert!(body.is_end_stream());
            assert_eq!((seen.len(), seen.concat()), (frames, expected.into_bytes()));
        }
    }
}
