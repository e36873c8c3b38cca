// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Holds a folder for one process at a time; it leaves no file behind, and ends with the process that holds it.
///
/// Advisory (`flock(2)`). A file system that does not offer it gives no lock: then nothing is promised.
struct FolderLock {
  private let descriptor: Int32

  /// Waits until no other process holds the folder.
  init(_ folder: String) {
    descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
  }

  func release() {
    if descriptor >= 0 { close(descriptor) }
  }
}
