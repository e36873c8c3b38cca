// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why there is no profile or no snapshot.
package enum HardwareProbeError: ExplainedError, Equatable {
  case rootMissing(path: String)
  /// The folder or archive holds neither `/proc`, `/sys` nor CPUID dumps.
  case notAMachine(path: String)
  case archiveDamaged(path: String, offset: Int, reason: String)
  case archiveCompressed(path: String)
  case snapshotNotWritten(path: String, errno: Int32)
  case noTemporaryFolder(path: String, errno: Int32)

  package var kind: String {
    switch self {
    case .rootMissing: "machine_root_missing"
    case .notAMachine: "machine_root_empty"
    case .archiveDamaged: "machine_archive_damaged"
    case .archiveCompressed: "machine_archive_compressed"
    case .snapshotNotWritten: "snapshot_not_written"
    case .noTemporaryFolder: "no_temporary_folder"
    }
  }

  package var message: String {
    switch self {
    case .rootMissing(let path): "There is no recorded machine at '\(path)'."
    case .notAMachine(let path):
      "'\(path)' is no recorded machine: it holds no 'sys/devices/system/cpu', no 'proc/cpuinfo', no 'proc/meminfo' and no CPUID dumps."
    case .archiveDamaged(let path, let offset, let reason):
      "The archive '\(path)' is damaged at byte \(offset): \(reason)."
    case .archiveCompressed(let path): "The archive '\(path)' is compressed; only plain tar archives are read."
    case .snapshotNotWritten(let path, let code): "The snapshot '\(path)' cannot be written (errno \(code))."
    case .noTemporaryFolder(let path, let code):
      "The archive cannot be unpacked: no folder can be made in '\(path)' (errno \(code))."
    }
  }

  package var remedy: String {
    switch self {
    case .rootMissing, .notAMachine:
      "Give a folder or a .tar file made by 'anprobe probe --snapshot FILE' or by 'hwloc-gather-topology'."
    case .archiveDamaged: "Record the machine again with 'anprobe probe --snapshot FILE'."
    case .archiveCompressed(let path): "Unpack it with 'tar xf \(path)' and give the folder."
    case .snapshotNotWritten: "Choose a folder that exists and may be written."
    case .noTemporaryFolder: "Set TMPDIR to a folder that may be written."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .snapshotNotWritten, .noTemporaryFolder: .failure
    default: .badInput
    }
  }
}
