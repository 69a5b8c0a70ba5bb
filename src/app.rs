//! The wiring: the only place that knows all parts. It builds them from the configuration, starts
//! them in order and stops them in reverse.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::host::pki::{ClientVerifier, Pki, keep_renewed, server_config};
use crate::host::systemd;
use crate::host::token::TokenKey;

pub mod identity;

/// Runs until a signal ends it.
///
/// # Errors
/// A part could not be started.
pub fn serve(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let pki = Pki::open(&config.data_dir, &identity::server_names(&config), SystemTime::now())?;
    identity::write_admin_kubeconfig(&config, pki.folder(), SystemTime::now())?;
    let _tokens = TokenKey::open(&pki.folder().token_key())?;
    let clients = Arc::new(ClientVerifier::new(pki.authority())?);
    let _tls = server_config(pki.server().clone(), clients)?;
    let listeners = systemd::listeners(&config.api.listen)?;
    for listener in &listeners {
        tracing::info!(address = %listener.local_addr()?, "listening");
    }
    systemd::ready("serving");
    let mut reload = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let renewal = keep_renewed(&pki, || identity::server_names(&config), || {});
    let watchdog = systemd::watchdog();
    tokio::pin!(renewal, watchdog);
    let mut watched = true;
    loop {
        tokio::select! {
            end = &mut renewal => end?,
            () = &mut watchdog, if watched => watched = false,
            _ = reload.recv() => {
                pki.server().reload(pki.authority(), &identity::server_names(&config), SystemTime::now())?;
                identity::write_admin_kubeconfig(&config, pki.folder(), SystemTime::now())?;
            }
            _ = stop.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    systemd::stopping("stopping");
    Ok(())
}
