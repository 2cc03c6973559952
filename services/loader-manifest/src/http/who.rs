//! Who may come in. A caller stands before path, query and body among a handler's arguments: who may not come in learns
//! nothing of what is wrong with them, and nothing of an archive is read.

use types::Permission;
use web::Needs;

/// Needs `loader`.
pub(super) enum ReadLoaders {}

/// Needs `loader_new`.
pub(super) enum CreateLoaders {}

/// Needs `loader_status`.
pub(super) enum SetLoaderStatus {}

/// Needs `loader_expect`.
pub(super) enum SetExpectations {}

/// Needs `loader_key`.
pub(super) enum ReplaceKeys {}

/// Needs `manifest`.
pub(super) enum ReadManifests {}

/// Needs `manifest_new`.
pub(super) enum CreateManifests {}

/// Needs `manifest_sign`.
pub(super) enum Sign {}

/// Needs `manifest_status`.
pub(super) enum SetManifestStatus {}

/// Needs `manifest_loaders`.
pub(super) enum ListLoaders {}

impl Needs for ReadLoaders {
    const PERMISSION: Permission = Permission::Loader;
}

impl Needs for CreateLoaders {
    const PERMISSION: Permission = Permission::LoaderNew;
}

impl Needs for SetLoaderStatus {
    const PERMISSION: Permission = Permission::LoaderStatus;
}

impl Needs for SetExpectations {
    const PERMISSION: Permission = Permission::LoaderExpect;
}

impl Needs for ReplaceKeys {
    const PERMISSION: Permission = Permission::LoaderKey;
}

impl Needs for ReadManifests {
    const PERMISSION: Permission = Permission::Manifest;
}

impl Needs for CreateManifests {
    const PERMISSION: Permission = Permission::ManifestNew;
}

impl Needs for Sign {
    const PERMISSION: Permission = Permission::ManifestSign;
}

impl Needs for SetManifestStatus {
    const PERMISSION: Permission = Permission::ManifestStatus;
}

impl Needs for ListLoaders {
    const PERMISSION: Permission = Permission::ManifestLoaders;
}
