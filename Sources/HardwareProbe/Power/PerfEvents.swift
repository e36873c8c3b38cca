// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe
internal import Glibc

/// RAPL by the kernel's performance events (`power/energy-pkg/`), which count in 64 bits and never wrap.
enum PerfEvents {
  static let title = "RAPL (perf)"
  /// Opens an event of a unit's type on a processor; gives a reader of its count, or the kernel's error.
  typealias Opener =
    @Sendable (_ type: UInt32, _ config: UInt64, _ cpu: Int32) -> Result<
      @Sendable () -> UInt64?, PerfRefusal
    >
  struct PerfRefusal: Error, Equatable { var errno: Int32 }

  static let remedy = "'sudo sysctl kernel.perf_event_paranoid=0' lets every user count until the next start"
  private static let folder = "/sys/bus/event_source/devices/power"
  static let names = ["energy-pkg", "energy-ram", "energy-cores", "energy-psys"]

  static func present(_ files: FileTree) -> [String] { names.filter { files.exists("\(folder)/events/\($0)") } }
  static func path(_ name: String) -> String { "\(folder)/events/\(name)" }

  static func sources(_ files: FileTree, open: Opener) -> SourceFinding {
    let events = present(files)
    guard !events.isEmpty, let type = files.int("\(folder)/type"), let type = UInt32(exactly: type) else {
      return SourceFinding(title)
    }
    // One processor for each package.
    let cpus = (files.numberList("\(folder)/cpumask") ?? [0]).sorted()
    var sources: [EnergySource] = []
    // The platform holds the packages, so it counts only where it is alone.
    let counted = events.contains("energy-pkg") ? ["energy-pkg", "energy-ram"] : ["energy-psys"]
    for (package, cpu) in cpus.enumerated() {
      for event in events {
        guard let config = config(files, event), let unit = unit(files, event) else { continue }
        let isCounted = counted.contains(event)
        switch open(type, config, Int32(cpu)) {
        case .success(let count): sources.append(source("\(event) \(package)", isCounted, unit, count))
        case .failure(let refusal) where isCounted:
          return SourceFinding(title, obstacle: "the event power/\(event)/ does not open: \(sentence(refusal))")
        case .failure: continue
        }
      }
    }
    return SourceFinding(title, sources)
  }

  private static func source(
    _ name: String, _ isCounted: Bool, _ unit: Double, _ count: @escaping @Sendable () -> UInt64?
  ) -> EnergySource {
    .polled(name, isCounted: isCounted, refresh: RAPLZones.refresh) { () throws(MeterFailure) in
      guard let count = count() else { throw MeterFailure("the kernel no longer counts the event") }
      return .joules(Double(count) * unit)
    }
  }

  /// `event=0x02`.
  static func config(_ files: FileTree, _ event: String) -> UInt64? {
    guard let text = files.text("\(folder)/events/\(event)"), text.hasPrefix("event=0x") else { return nil }
    return UInt64(text.dropFirst(8), radix: 16)
  }

  /// Joules of one count.
  static func unit(_ files: FileTree, _ event: String) -> Double? {
    guard files.text("\(folder)/events/\(event).unit") == "Joules" else { return nil }
    return files.double("\(folder)/events/\(event).scale").flatMap { $0 > 0 ? $0 : nil }
  }

  private static func sentence(_ refusal: PerfRefusal) -> String {
    refusal.errno == EACCES || refusal.errno == EPERM
      ? "this user may not; \(remedy)" : "the kernel refuses it (errno \(refusal.errno))"
  }

  /// Recorded machines have no kernel to ask.
  static let nothing: Opener = { _, _, _ in .failure(PerfRefusal(errno: ENODEV)) }

  static let kernel: Opener = { type, config, cpu in
    let descriptor = chp_perf_open(type, config, cpu)
    guard descriptor >= 0 else { return .failure(PerfRefusal(errno: -descriptor)) }
    let handle = PerfHandle(descriptor: descriptor)
    return .success { handle.count }
  }
}

/// An open event, closed with its last reader.
private final class PerfHandle: Sendable {
  private let descriptor: Int32
  init(descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  var count: UInt64? {
    var value: UInt64 = 0
    return read(descriptor, &value, 8) == 8 ? value : nil
  }
}
