// SPDX-License-Identifier: Apache-2.0
package import Hardware

/// What meters read besides files; tests script it.
package struct MeterSurroundings: Sendable {
  package var files: FileTree
  var nvidia: @Sendable () -> NVIDIADevices
  var perf: PerfEvents.Opener
  var clock: EnergyMeter.Clock

  init(
    files: FileTree, nvidia: @escaping @Sendable () -> NVIDIADevices = { .notAsked },
    perf: @escaping PerfEvents.Opener = PerfEvents.nothing, clock: @escaping EnergyMeter.Clock = EnergyMeter.wallClock
  ) {
    self.files = files
    self.nvidia = nvidia
    self.perf = perf
    self.clock = clock
  }

  /// This machine.
  package static let host = MeterSurroundings(
    files: .host, nvidia: { .live }, perf: PerfEvents.kernel, clock: EnergyMeter.wallClock)
}

/// The sources of one kind, or why there are none: nil where nothing of the kind is there at all.
struct SourceFinding: Sendable {
  var title: String
  var sources: [EnergySource]
  var obstacle: String?

  init(_ title: String, _ sources: [EnergySource] = [], obstacle: String? = nil) {
    self.title = title
    self.sources = sources
    self.obstacle = obstacle
  }

  static func find(_ kind: MeterKind, _ around: MeterSurroundings) -> SourceFinding {
    switch kind {
    case .rapl: RAPLZones.sources(around.files)
    case .perf: PerfEvents.sources(around.files, open: around.perf)
    case .msr: EnergyRegisters.sources(around.files)
    case .hwmon: MonitorSources.machine(around.files)
    case .battery: BatterySources.sources(around.files)
    case .gpu: DeviceSources.sources(around)
    }
  }
}

extension EnergyMeter {
  /// Opens the meter that was asked for, or the best one that this user may read.
  ///
  /// The best is that of the processor: RAPL by its files, by the kernel's events or by registers, then monitors of boards
  /// and sockets, then a battery that discharges. Devices count only when they are asked for.
  package static func open(
    _ kinds: [MeterKind] = MeterKind.processors, _ around: MeterSurroundings = .host
  ) -> Result<EnergyMeter, Unavailable> {
    var reasons: [String] = []
    for kind in kinds {
      let finding = SourceFinding.find(kind, around)
      if let obstacle = finding.obstacle { reasons.append(obstacle) }
      guard !finding.sources.isEmpty else { continue }
      let failures = faults(finding.sources, around.clock())
      let refused = zip(finding.sources, failures).filter { $0.isCounted && $1 != nil }
      reasons += refused.map { "the \(finding.title) meter of \($0.name) does not answer: \($1?.reason ?? "")" }
      guard refused.isEmpty, finding.sources.contains(where: \.isCounted) else { continue }
      let readable = zip(finding.sources, failures).filter { $1 == nil }.map(\.0)
      let meter = EnergyMeter(kind: finding.title, readable, clock: around.clock)
      return .success(meter)
    }
    guard reasons.isEmpty else { return .failure(Unavailable(reasons: reasons)) }
    return .failure(
      Unavailable(reasons: ["this machine has no meter of the kind \(kinds.map(\.rawValue).joined(separator: ", "))"]))
  }

  /// One file of a monitor, by its path.
  package static func open(sensor path: String, _ around: MeterSurroundings = .host) -> Result<EnergyMeter, Unavailable>
  {
    guard let source = MonitorSources.sensor(around.files, path) else {
      return .failure(Unavailable(reasons: ["'\(path)' is no file of a power, energy or voltage sensor"]))
    }
    if let failure = faults([source], around.clock())[0] { return .failure(Unavailable(reasons: [failure.reason])) }
    return .success(EnergyMeter(kind: "hwmon", [source], clock: around.clock))
  }

  private static func faults(_ sources: [EnergySource], _ now: Double) -> [MeterFailure?] {
    sources.map { source in
      do throws(MeterFailure) {
        _ = try source.read(now)
        return nil
      } catch {
        return error
      }
    }
  }
}
