// SPDX-License-Identifier: Apache-2.0
package import Quantities
internal import Synchronization

/// The energy that the machine used since the counter was opened.
///
/// The best counter that this user may read: the processor packages and their memory (RAPL), else the sockets of a
/// hardware monitor, else NVIDIA's devices. A counter that wraps round between two readings is carried on; more than one
/// wrap between two readings cannot be seen, so read at least every few minutes (262 kJ last 17 minutes at 250 W).
package final class EnergyCounter: Sendable {
  /// Why there is no counter: one line for each that was tried.
  package struct Unavailable: Error, Equatable, Sendable {
    package var reasons: [String]
    package var reason: String { reasons.joined(separator: "; ") }
  }

  private struct Domain: Sendable {
    var name: String
    var rangeJoules: Double?
    var joules: @Sendable () -> Double?
  }

  private struct State {
    var last: [Double]
    var total: Double = 0
  }

  /// What is counted: `package-0, package-0 dram`.
  package let domains: [String]
  /// `RAPL`, `hwmon` or `NVML`.
  package let kind: String
  private let sources: [Domain]
  private let state: Mutex<State>

  /// Opens the best readable counter of this machine, or of a test's files.
  package static func open(_ files: FileTree = .host) -> Result<EnergyCounter, Unavailable> {
    var reasons: [String] = []
    for (kind, domains) in [
      ("RAPL", packages(files)), ("hwmon", sockets(files)), ("NVML", files.isHost ? devices : []),
    ] {
      if domains.isEmpty { reasons.append("no \(kind) counter was found") }
      let first = domains.map { $0.joules() }
      let readings = first.compactMap { $0 }
      if !domains.isEmpty, readings.count == first.count {
        return .success(EnergyCounter(kind, domains, State(last: readings)))
      }
      for (domain, reading) in zip(domains, first) where reading == nil {
        reasons.append("the \(kind) counter of \(domain.name) cannot be read by this user")
      }
    }
    return .failure(Unavailable(reasons: reasons))
  }

  private init(_ kind: String, _ sources: [Domain], _ state: State) {
    self.kind = kind
    self.sources = sources
    self.state = Mutex(state)
    domains = sources.map(\.name)
  }

  /// Energy since the counter was opened; nil when a part of it can no longer be read.
  package func read() -> Energy? {
    state.withLock { state in
      for (index, source) in sources.enumerated() {
        guard let now = source.joules() else { return nil }
        state.total += Self.step(from: state.last[index], to: now, range: source.rangeJoules)
        state.last[index] = now
      }
      return Energy(joules: state.total)
    }
  }

  /// Energy between two readings of one counter; a counter without a known range that runs backwards was reset.
  static func step(from before: Double, to now: Double, range: Double?) -> Double {
    if now >= before { return now - before }
    guard let range, range >= before else { return 0 }
    return range - before + now
  }

  /// Packages, and their memory where it has a counter of its own; cores and graphics are parts of the package, and the
  /// platform's counter (`psys`) would hold the package a second time.
  private static func packages(_ files: FileTree) -> [Domain] {
    var seen: Set<String> = []
    return PowerZone.all(files).filter { zone in
      let isPackage = zone.name.hasPrefix("package") && !zone.name.contains(" ")
      return (isPackage || zone.name.hasSuffix(" dram")) && seen.insert(zone.name).inserted
    }.map { zone in
      Domain(name: zone.name, rangeJoules: zone.range?.joules) { microjoules(files, zone.path) }
    }
  }

  /// Sockets of a monitor that counts energy (`amd_energy`: `Esocket0`, beside one counter for each core).
  private static func sockets(_ files: FileTree) -> [Domain] {
    let folder = "/sys/class/hwmon"
    return files.names(in: folder).flatMap { monitor -> [Domain] in
      let path = "\(folder)/\(monitor)"
      return files.names(in: path).filter { $0.hasPrefix("energy") && $0.hasSuffix("_input") }.compactMap { name in
        let label = files.text("\(path)/\(name.dropLast(6))_label") ?? ""
        guard label.hasPrefix("Esocket") else { return nil }
        return Domain(name: label, rangeJoules: nil) { microjoules(files, "\(path)/\(name)") }
      }
    }
  }

  private static var devices: [Domain] {
    NVIDIADevices.live.list.enumerated().filter { $1.energy != nil }.map { index, device in
      Domain(name: device.name, rangeJoules: nil) {
        let list = NVIDIADevices.live.list
        return index < list.count ? list[index].energy?.joules : nil
      }
    }
  }

  private static func microjoules(_ files: FileTree, _ path: String) -> Double? {
    files.double(path).flatMap { $0 >= 0 ? $0 / 1e6 : nil }
  }
}
