//! Files of volumes on the disk. A change is seen as a whole: the files are written beside the old ones,
//! and one rename of a link shows them.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::payload::{Files, Owner};
use crate::failpoint;
use crate::pods::Error;

/// The link that leads to the files in force.
const DATA: &str = "..data";

fn told(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |source| Error::File { what, source }
}

/// Makes the folder of all volumes, which nobody else can look into, and the folder of a volume in it.
fn folder(root: &Path, path: &Path, mode: u32, group: Option<u32>) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(root);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(told("cannot make", root))?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(told("cannot make", parent))?;
    // Under its name it is there with its mode, or not at all.
    let fresh = parent.join(format!("..{}", uuid::Uuid::new_v4().simple()));
    let make = || -> io::Result<()> {
        fs::create_dir(&fresh)?;
        fs::set_permissions(&fresh, Permissions::from_mode(mode))?;
        if let Some(group) = group {
            chown(&fresh, None, Some(group))?;
            // A change of the owner may take the mark of the group away.
            fs::set_permissions(&fresh, Permissions::from_mode(0o2777))?;
        }
        failpoint::pass("folder", "made");
        fs::rename(&fresh, path)
    };
    make().inspect_err(|_| _ = fs::remove_dir(&fresh)).map_err(told("cannot make", path))
}

/// What an empty folder is of.
pub(super) enum Medium {
    /// The disk.
    Disk,
    /// Memory, up to so many bytes.
    Memory(Option<i64>),
    /// Huge pages of so many bytes each, up to so many bytes.
    Huge(Option<i64>, Option<i64>),
}

/// The folder within a mount that containers see. It goes with the mount: after a start of the machine, an engine that
/// starts a container before k2d does not find it, and so does not put the disk in the place of memory.
const WITHIN: &str = "data";

/// An empty folder for a pod; gives where it is.
pub(super) fn empty(root: &Path, path: &Path, medium: &Medium, group: Option<u32>) -> Result<PathBuf, Error> {
    let (kind, mut options) = match medium {
        Medium::Disk => {
            folder(root, path, 0o777, group)?;
            return Ok(path.to_owned());
        }
        Medium::Memory(size) => ("tmpfs", size.map(|size| format!(",size={size}")).unwrap_or_default()),
        Medium::Huge(page, size) => {
            let page = page.map(|page| format!(",pagesize={page}")).unwrap_or_default();
            ("hugetlbfs", page + &size.map(|size| format!(",size={size}")).unwrap_or_default())
        }
    };
    folder(root, path, 0o755, None)?;
    if !is_mount(path) {
        options.insert_str(0, "mode=0755");
        let options = std::ffi::CString::new(options).unwrap_or_default();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(kind, path, kind, flags, options.as_c_str())
            .map_err(|error| told("cannot mount memory at", path)(error.into()))?;
    }
    let seen = path.join(WITHIN);
    folder(path, &seen, 0o777, group)?;
    Ok(seen)
}

/// Gives all below a folder, and the folder last, to a group that may read and write it. Unless `always`, a folder
/// that is so already says that all of it is.
pub(super) async fn give(path: &Path, group: u32, always: bool) -> Result<(), Error> {
    let root = fs::metadata(path).map_err(told("cannot give", path))?;
    if !always && root.gid() == group && root.mode() & 0o2770 == 0o2770 {
        return Ok(());
    }
    let mut folders = vec![path.to_owned()];
    let mut count = 0u32;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(told("cannot read", &folder))?.flatten() {
            let path = entry.path();
            let found = entry.metadata().map_err(told("cannot give", &path))?;
            give_one(&path, &found, group).map_err(told("cannot give", &path))?;
            if found.is_dir() {
                folders.push(path);
            }
            count += 1;
            if count.is_multiple_of(256) {
                tokio::task::yield_now().await;
            }
        }
    }
    give_one(path, &root, group).map_err(told("cannot give", path))
}

fn give_one(path: &Path, found: &fs::Metadata, group: u32) -> io::Result<()> {
    lchown(path, None, Some(group))?;
    if found.file_type().is_symlink() {
        return Ok(());
    }
    let more = if found.is_dir() { 0o2770 } else { 0o660 };
    fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o7777 | more))
}

fn is_mount(path: &Path) -> bool {
    let of = |path: &Path| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
    path.parent().is_some_and(|parent| of(path) != of(parent))
}

/// Makes the files of a projected volume those that are given; touches nothing where they are so already.
pub(super) fn project(root: &Path, path: &Path, files: &Files, owner: &Owner) -> Result<(), Error> {
    folder(root, path, 0o755, None)?;
    let link = path.join(DATA);
    let current = fs::read_link(&link).ok();
    if current.is_some() && is_same(&link, files) {
        // What an end in the middle of a change left undone.
        show(path, files)?;
        forget(path, current.as_deref());
        return Ok(());
    }
    let name = format!("..{}", uuid::Uuid::new_v4().simple());
    let fresh = path.join(&name);
    write_all(&fresh, files, owner).inspect_err(|_| _ = fs::remove_dir_all(&fresh))?;
    let aside = path.join("..data_tmp");
    let _ = fs::remove_file(&aside);
    symlink(&name, &aside).map_err(told("cannot link", &aside))?;
    failpoint::pass("files", "written");
    fs::rename(&aside, &link).map_err(told("cannot link", &link))?;
    failpoint::pass("files", "in force");
    show(path, files)?;
    forget(path, Some(Path::new(&name)));
    Ok(())
}

/// Removes files that are in force no more, or never were.
fn forget(path: &Path, current: Option<&Path>) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if folder && name.to_string_lossy().starts_with("..") && Some(Path::new(&name)) != current {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_same(folder: &Path, files: &Files) -> bool {
    let mut found = 0;
    let same = files.iter().all(|(name, file)| fs::read(folder.join(name)).is_ok_and(|data| data == file.data));
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found += 1,
            }
        }
    }
    same && found == files.len()
}

fn write_all(folder: &Path, files: &Files, owner: &Owner) -> Result<(), Error> {
    fs::create_dir(folder).map_err(told("cannot make", folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(told("cannot make", folder))?;
    for (name, file) in files {
        let path = below(folder, name).map_err(told("cannot write", folder))?;
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(told("cannot make", parent))?;
        }
        let write = || -> io::Result<()> {
            let mut out = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
            out.write_all(&file.data)?;
            let mut mode = file.mode & 0o777;
            if let Some(group) = owner.group {
                chown(&path, None, Some(group))?;
                mode |= 0o440;
            } else if let (true, Some(user)) = (file.token, owner.user) {
                chown(&path, Some(user), None)?;
                mode = 0o600;
            }
            fs::set_permissions(&path, Permissions::from_mode(mode))
        };
        write().map_err(told("cannot write", &path))?;
    }
    Ok(())
}

/// Shows each first part of a path as a link into the files in force, and takes away links to what is gone.
fn show(path: &Path, files: &Files) -> Result<(), Error> {
    let firsts: BTreeSet<&str> = files.keys().filter_map(|name| name.split('/').next()).collect();
    for first in &firsts {
        let link = path.join(first);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(first), &link).map_err(told("cannot link", &link))?;
        }
    }
    for entry in fs::read_dir(path).map_err(told("cannot read", path))?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = entry.file_type().is_ok_and(|kind| kind.is_symlink()) && !name.starts_with("..");
        if ours && !firsts.contains(name.as_ref()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// A path below a folder; it may not lead out of it.
fn below(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let inside = !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if inside { Ok(folder.join(name)) } else { Err(io::Error::other(format!("{name:?} is no path below a folder"))) }
}

/// The path of a part of a volume, made where it is missing. Links that lead out of the volume are refused.
pub(crate) fn inside(volume: &str, part: &str) -> Result<String, String> {
    let root = fs::canonicalize(volume).map_err(|error| error.to_string())?;
    let wanted = below(&root, part).map_err(|error| error.to_string())?;
    let mut known = root.clone();
    for name in Path::new(part).components() {
        let next = known.join(name);
        known = match fs::canonicalize(&next) {
            Ok(found) if found.starts_with(&root) => found,
            Ok(_) => return Err(format!("{} leads out of the volume", wanted.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&next).is_err() => {
                fs::create_dir(&next).map_err(|error| error.to_string())?;
                next
            }
            Err(error) => return Err(error.to_string()),
        };
    }
    Ok(known.to_string_lossy().into_owned())
}

/// Makes an empty file that any user of a container may write to.
pub(crate) fn make_file(root: &Path, path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(root);
    folder(root, parent, 0o755, None)?;
    let file = fs::OpenOptions::new().create(true).append(true).open(path).map_err(told("cannot make", path))?;
    file.set_permissions(Permissions::from_mode(0o666)).map_err(told("cannot make", path))
}

/// Makes a file that all may read say that. Containers that have it mounted see the change.
pub(crate) fn write_file(root: &Path, path: &Path, text: &str) -> Result<(), Error> {
    folder(root, path.parent().unwrap_or(root), 0o755, None)?;
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text).map_err(told("cannot write", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o644)).map_err(told("cannot write", path))
}

/// Removes the volumes of a pod; what is in memory is unmounted first.
pub(crate) fn remove(pod: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(pod) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_mount(&path) {
            unmount(&path, UnmountFlags::DETACH)?;
        }
    }
    failpoint::pass("folder", "is removed");
    fs::remove_dir_all(pod)
}

#[cfg(test)]
mod tests {
    use super::super::payload::File;
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("k2d-volumes-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn files(pairs: &[(&str, &str)]) -> Files {
        let file = |data: &str| File { data: data.as_bytes().to_vec(), mode: 0o640, token: false };
        pairs.iter().map(|(name, data)| ((*name).to_owned(), file(data))).collect()
    }

    #[test]
    fn files_change_together_and_go() {
        let folder = Folder::new();
        let volume = folder.0.join("volumes/uid/config");
        let root = folder.0.join("volumes");
        project(&root, &volume, &files(&[("a", "1"), ("sub/b", "2")]), &Owner::default()).expect("written");
        assert_eq!(fs::read_to_string(volume.join("sub/b")).expect("file"), "2");
        assert_eq!(fs::metadata(volume.join("a")).expect("file").mode() & 0o777, 0o640);
        assert_eq!(fs::metadata(&root).expect("folder").mode() & 0o777, 0o700);
        let before = fs::read_link(volume.join(DATA)).expect("link");
        project(&root, &volume, &files(&[("a", "1"), ("sub/b", "2")]), &Owner::default()).expect("written");
        assert_eq!(fs::read_link(volume.join(DATA)).expect("link"), before, "nothing changed");
        project(&root, &volume, &files(&[("a", "3")]), &Owner::default()).expect("written");
        assert_eq!(fs::read_to_string(volume.join("a")).expect("file"), "3");
        assert!(fs::symlink_metadata(volume.join("sub")).is_err());
        assert!(!volume.join(before).exists(), "the old files are gone");
        remove(&folder.0.join("volumes/uid")).expect("removed");
        assert!(!folder.0.join("volumes/uid").exists());
    }

    #[tokio::test]
    async fn a_group_gets_all_of_a_volume_or_what_its_root_tells() {
        let folder = Folder::new();
        let deep = folder.0.join("deep");
        fs::create_dir(&deep).expect("folder");
        fs::write(deep.join("file"), "x").expect("file");
        let group = fs::metadata(&folder.0).expect("folder").gid() + u32::from(rustix::process::geteuid().is_root());
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        give(&folder.0, group, false).await.expect("given");
        assert_eq!((mode(&folder.0) & 0o2770, mode(&deep) & 0o2770), (0o2770, 0o2770));
        assert_eq!(fs::metadata(deep.join("file")).expect("file").gid(), group);
        fs::set_permissions(deep.join("file"), Permissions::from_mode(0o600)).expect("set");
        give(&folder.0, group, false).await.expect("given");
        assert_eq!(mode(&deep.join("file")), 0o600, "the root says that all is as it should be");
        give(&folder.0, group, true).await.expect("given");
        assert_eq!(mode(&deep.join("file")), 0o660);
    }

    #[test]
    fn a_change_that_was_cut_short_is_made_whole() {
        let folder = Folder::new();
        let (root, volume) = (folder.0.join("volumes"), folder.0.join("volumes/uid/config"));
        project(&root, &volume, &files(&[("a", "1")]), &Owner::default()).expect("written");
        // As where the power went after the rename: the files are in force, their links are not.
        let old = fs::read_link(volume.join(DATA)).expect("link");
        write_all(&volume.join("..fresh"), &files(&[("b", "2")]), &Owner::default()).expect("written");
        fs::remove_file(volume.join(DATA)).expect("removed");
        symlink("..fresh", volume.join(DATA)).expect("linked");
        project(&root, &volume, &files(&[("b", "2")]), &Owner::default()).expect("written");
        assert_eq!(fs::read_to_string(volume.join("b")).expect("file"), "2");
        assert!(fs::symlink_metadata(volume.join("a")).is_err() && !volume.join(old).exists());
    }

    #[test]
    fn a_part_of_a_volume_cannot_lead_out_of_it() {
        let folder = Folder::new();
        let volume = folder.0.join("v");
        fs::create_dir(&volume).expect("folder");
        symlink("/etc", volume.join("out")).expect("link");
        fs::create_dir(volume.join("real")).expect("folder");
        symlink("real", volume.join("in")).expect("link");
        let of = |part: &str| inside(&volume.to_string_lossy(), part);
        assert!(of("out").is_err() && of("out/passwd").is_err() && of("../v").is_err());
        assert!(of("in").is_ok_and(|path| path.ends_with("/v/real")));
        assert!(of("new/deep").is_ok_and(|path| Path::new(&path).is_dir()));
    }
}
