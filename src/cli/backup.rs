//! `k2d backup` and `k2d restore`: objects, certificates and keys, in a folder that looks like the
//! data folder. The data of claims is the engine's and is not in it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Args;

use super::{Common, print};
use crate::app::STATE;
use crate::host::files;
use crate::host::pki::{self, Folder};
use crate::store::Store;

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Folder of the backup
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn backup(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    print(&copy_out(&common.load()?.data_dir, &flags.folder)?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    print(&copy_in(&flags.folder, &common.load()?.data_dir)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a backup of a data folder, and says what it is.
fn copy_out(data_dir: &Path, to: &Path) -> anyhow::Result<String> {
    if to.exists() {
        bail!("{} is there already; name a new folder", to.display());
    }
    let state = data_dir.join(STATE);
    if !state.exists() {
        bail!("{} is not there: k2d has not run here, or you are not root", state.display());
    }
    // Not made private by force: the folder may be on a stick whose file system has no modes.
    fs::DirBuilder::new().mode(0o700).create(to).with_context(|| to.display().to_string())?;
    let copied =
        Store::backup_file(&state, &to.join(STATE)).map_err(anyhow::Error::from).and_then(|()| copy_pki(data_dir, to));
    if let Err(error) = copied {
        // Half a backup is none.
        let _ = fs::remove_dir_all(to);
        return Err(error);
    }
    Ok(format!(
        "{} holds all objects, certificates and keys; keep it as secret as {}.\n\
         The data of claims is not in it: those are volumes of the engine.\n",
        to.display(),
        data_dir.display()
    ))
}

/// Puts a backup into a data folder, and says what is to do.
fn copy_in(from: &Path, data_dir: &Path) -> anyhow::Result<String> {
    if !from.join(STATE).is_file() || !pki::folder(from).join("ca.key").is_file() {
        bail!("{} is no backup: it lacks {STATE} or pki/ca.key", from.display());
    }
    files::private_dir(data_dir)?;
    let draft = data_dir.join("restore");
    remove(&draft)?;
    files::private_dir(&draft)?;
    copy_pki(from, &draft)?;
    Folder::open(&draft, SystemTime::now()).context("the backup's certificates cannot be used")?;
    let kept = Store::restore_file(&from.join(STATE), &data_dir.join(STATE))
        .context("nothing was restored; k2d must not run: systemctl stop k2d.socket k2d.service")?;
    let (pki, replaced) = (pki::folder(data_dir), data_dir.join("pki.replaced"));
    if pki.exists() {
        remove(&replaced)?;
        fs::rename(&pki, &replaced).with_context(|| pki.display().to_string())?;
    }
    fs::rename(pki::folder(&draft), &pki).with_context(|| pki.display().to_string())?;
    remove(&draft)?;
    let mut text = format!("Restored from {}.\n", from.display());
    if let Some(kept) = kept {
        text.push_str(&format!("What was there before is kept as {} and {}.\n", kept.display(), replaced.display()));
    }
    text.push_str("Now start k2d: systemctl start k2d.socket k2d.service\n");
    Ok(text)
}

/// Copies the files of certificates from one data folder to another.
fn copy_pki(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (pki::folder(from), pki::folder(to));
    fs::DirBuilder::new().mode(0o700).create(&to).with_context(|| to.display().to_string())?;
    for name in pki::FILES {
        match fs::read(from.join(name)) {
            Ok(content) => files::write_private(&to.join(name), &content)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| from.join(name).display().to_string()),
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| folder.display().to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use crate::host::pki::{Names, Pki};
    use crate::store::{Key, ListRange, Record, StoreOptions, Write};
    use serde_json::json;

    /// A data folder with one object, whose store is still open.
    async fn filled(data_dir: &Path, name: &str) -> (Store, String) {
        let pki = Pki::open(data_dir, &Names::default(), SystemTime::now()).unwrap();
        let store = Store::open(&data_dir.join(STATE), &StoreOptions::default()).unwrap().store;
        let key = Key::new("configmaps", "default", name);
        let record = Record::from_value(key, &json!({"metadata": {"name": name}}));
        store.commit(vec![Write::Create { record }]).await.unwrap();
        (store, pki.authority().pem().to_owned())
    }

    #[tokio::test]
    async fn backup_of_a_running_k2d_comes_back_on_another_machine() {
        let dir = Dir::new();
        let (old, new, copy) = (dir.0.join("old"), dir.0.join("new"), dir.0.join("copy"));
        let (running, authority) = filled(&old, "kept").await;
        copy_out(&old, &copy).unwrap();
        assert!(copy_out(&old, &copy).is_err(), "a backup is never written over");
        assert_eq!(files::mode(&copy.join(STATE)), Some(0o600));

        let (other, _) = filled(&new, "replaced").await;
        let error = format!("{:#}", copy_in(&copy, &new).unwrap_err());
        assert!(error.contains("systemctl stop") && error.contains("another k2d uses"), "{error}");
        other.close().await.unwrap();
        copy_in(&copy, &new).unwrap();

        let store = Store::open(&new.join(STATE), &StoreOptions::default()).unwrap().store;
        let found = store.list("configmaps", None, ListRange::default()).await.unwrap();
        let names: Vec<&str> = found.records.iter().map(|record| &*record.key.name).collect();
        assert_eq!(names, ["kept"]);
        let pki = Pki::open(&new, &Names::default(), SystemTime::now()).unwrap();
        assert_eq!(pki.authority().pem(), authority, "kubeconfigs work on");
        assert!(new.join("pki.replaced/ca.key").is_file() && !new.join("restore").exists());
        running.close().await.unwrap();
    }

    #[tokio::test]
    async fn broken_backup_changes_nothing() {
        let dir = Dir::new();
        let (data, copy) = (dir.0.join("data"), dir.0.join("copy"));
        let (store, authority) = filled(&data, "kept").await;
        store.close().await.unwrap();
        assert!(copy_in(&copy, &data).is_err());
        copy_out(&data, &copy).unwrap();
        fs::write(copy.join("pki/ca.key"), "half").unwrap();
        assert!(copy_in(&copy, &data).is_err());
        fs::copy(data.join("pki/ca.key"), copy.join("pki/ca.key")).unwrap();
        fs::write(copy.join(STATE), "no database").unwrap();
        assert!(copy_in(&copy, &data).is_err());
        let pki = Pki::open(&data, &Names::default(), SystemTime::now()).unwrap();
        assert_eq!(pki.authority().pem(), authority);
        let store = Store::open(&data.join(STATE), &StoreOptions::default()).unwrap().store;
        assert!(store.get(&Key::new("configmaps", "default", "kept")).await.unwrap().is_some());
    }

    #[test]
    fn nothing_to_back_up_leaves_nothing_behind() {
        let dir = Dir::new();
        assert!(copy_out(&dir.0.join("none"), &dir.0.join("copy")).is_err());
        assert!(!dir.0.join("copy").exists());
    }
}
