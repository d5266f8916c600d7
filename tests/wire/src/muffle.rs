//! Connections that can fall silent in the middle of their headers, which no web framework does on its own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// So much of an answer still goes out: the status line and part of a header.
const HEARD_BYTES: usize = 40;

/// Silences the connection on which a request came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Muffle(Arc<AtomicBool>);

impl Muffle {
    pub(crate) fn silence(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_silent(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Accepts connections that can be muffled.
pub(crate) struct MuffledListener(pub TcpListener);

/// A connection that can be muffled.
pub(crate) struct MuffledStream {
    stream: TcpStream,
    muffle: Muffle,
    heard: usize,
}

impl Listener for MuffledListener {
    type Io = MuffledStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (MuffledStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Events are small, and each is to arrive when it is sent.
        let _slower = stream.set_nodelay(true);
        (MuffledStream { stream, muffle: Muffle::default(), heard: 0 }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, MuffledListener>> for Muffle {
    fn connect_info(stream: IncomingStream<'_, MuffledListener>) -> Self {
        stream.io().muffle.clone()
    }
}

impl AsyncRead for MuffledStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for MuffledStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.muffle.is_silent() {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        let left = HEARD_BYTES.saturating_sub(self.heard).min(bytes.len());
        if left > 0 {
            match Pin::new(&mut self.stream).poll_write(cx, &bytes[..left]) {
                Poll::Ready(Ok(written)) => self.heard += written,
                other => return other,
            }
        }
        // The rest counts as written, and nobody hears of it.
        self.heard = HEARD_BYTES;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.muffle.is_silent() {
            return Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        // Stays open until the other side gives up.
        loop {
            let mut ignored = [0; 1024];
            let mut buffer = ReadBuf::new(&mut ignored);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
