//! A WebSocket to a node: bodies of requests one way, bodies of replies the other.
//!
//! Requests do not wait for each other, and replies come as nodes send them: a reply says by
//! `in_reply_to` which `msg_id` it is for. Whoever does not read replies is not read either.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::door::{Connection, Door};
use super::exchange::Reply;

/// How many requests of a connection may wait at a time.
const WAITING: usize = 100;

type Stream = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Agrees to a WebSocket, and serves it from then on.
pub(super) fn accept(
    door: Arc<Door>,
    node: String,
    request: Request<Incoming>,
    connection: Connection,
) -> Result<Response<Full<Bytes>>, (StatusCode, &'static str)> {
    let response = create_response_with_body(&request, Full::default)
        .map_err(|_| (StatusCode::BAD_REQUEST, "That is no handshake of a WebSocket."))?;
    tokio::spawn(async move {
        let _connection = connection;
        // Whoever asked may be gone already.
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let limit = Some(door.limits.body);
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let io = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let _ = serve(&door, &node, stream).await;
    });
    Ok(response)
}

/// Answers requests until one of both sides ends.
async fn serve(door: &Arc<Door>, node: &str, mut stream: Stream) -> Result<(), SocketError> {
    let (replies, mut replied) = mpsc::unbounded_channel::<(Reply, Option<OwnedSemaphorePermit>)>();
    let mut ended = door.ended.clone();
    let (mut is_open, mut waiting) = (true, 0);
    while is_open || waiting > 0 {
        tokio::select! {
            Some((reply, permit)) = replied.recv() => {
                waiting -= 1;
                let sent = stream.send(Message::text(reply.text));
                // Whoever does not read for so long is gone.
                let Ok(sent) = tokio::time::timeout(door.limits.timeout, sent).await else {
                    return Ok(());
                };
                sent?;
                drop(permit);
            }
            message = stream.next(), if is_open && waiting < WAITING => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    waiting += 1;
                    let (door, node, replies) = (door.clone(), node.to_owned(), replies.clone());
                    tokio::spawn(async move {
                        let _ = replies.send(door.ask(&node, &message.into_data()).await);
                    });
                }
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(SocketError::Capacity(_))) => {
                    let reply = Reply::new(Err(door.too_long()), None);
                    stream.send(Message::text(reply.text)).await?;
                    is_open = false;
                }
                Some(Err(error)) => return Err(error),
            },
            () = super::wait(&mut ended), if is_open => is_open = false,
        }
    }
    stream.close(None).await
}
