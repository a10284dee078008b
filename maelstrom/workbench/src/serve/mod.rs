//! The store in a browser, for this machine alone.
//!
//! - [`site`]: what is answered, and to whom.
//! - [`place`]: paths that cannot leave the store.
//! - [`runs`]: what the store has; [`figures`]: what results come to.
//! - [`list`], [`live`]: the list of runs and a run, as they change; [`events`]: pushed.

mod events;
mod figures;
mod list;
mod live;
mod place;
mod runs;
mod site;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time;

use self::place::Root;
use self::site::Site;
use crate::host::signals::Interrupts;

/// How long a client may take for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long requests have that are being answered when the server is to end.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows a store on a port of this machine, any that is free if it is 0, until the process is
/// asked to end. `begun` is told where.
pub(crate) fn serve(store: &Path, port: u16, begun: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let interrupts = Interrupts::new()?;
        begun(listener.local_addr()?);
        run(listener, interrupts, Root::new(store)).await;
        Ok(())
    });
    // Somebody may still be waiting for a disk.
    runtime.shutdown_timeout(FAREWELL);
    outcome
}

async fn run(listener: TcpListener, mut interrupts: Interrupts, root: Root) {
    let (end, ended) = watch::channel(());
    let site = Arc::new(Site::new(root, ended));
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, site.clone(), &connections),
                // The system has no room, or the client is gone already.
                Err(_) => time::sleep(PAUSE).await,
            },
            _ = std::future::poll_fn(|cx| interrupts.poll(cx)) => break,
        }
    }
    drop(listener);
    drop(end);
    let _ = time::timeout(FAREWELL, connections.shutdown()).await;
}

/// Answers the requests of a connection.
fn connect(stream: TcpStream, site: Arc<Site>, connections: &GracefulShutdown) {
    let answer = service_fn(move |request| site.clone().answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), answer);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // Whoever is on the other side has gone, or speaks something else.
        let _ = connection.await;
    });
}
