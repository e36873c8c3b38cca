// SPDX-License-Identifier: Apache-2.0
internal import HardwareProbe

extension PlanningSession {
  /// Records this machine's files as a tar archive that `--root` reads, without names, addresses and serial numbers.
  package func recordMachine(to path: String) throws { try SnapshotWriter().write(to: path) }
}
