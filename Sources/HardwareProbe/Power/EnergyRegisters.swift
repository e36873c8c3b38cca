// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// RAPL by the processor's registers (`/dev/cpu/N/msr`): 32-bit counters in units of a power of two.
///
/// Intel, Software Developer's Manual 4, table 2: unit 0x606, package 0x611, cores 0x639, graphics 0x641. AMD, Processor
/// Programming Reference of family 17h: unit 0xC0010299, package 0xC001029B. The unit of Intel's memory counter (0x619)
/// differs between models and is not told by a register: it is left to the kernel's drivers.
enum EnergyRegisters {
  static let title = "RAPL (registers)"
  static let remedy = "load the module with 'sudo modprobe msr' and run as root"

  private struct Layout {
    var unit: UInt64
    var package: UInt64
    var cores: UInt64?
  }

  private static func layout(_ files: FileTree) -> Layout? {
    switch files.value("vendor_id", in: "/proc/cpuinfo") {
    case "GenuineIntel": Layout(unit: 0x606, package: 0x611, cores: 0x639)
    case "AuthenticAMD": Layout(unit: 0xC001_0299, package: 0xC001_029B)
    default: nil
    }
  }

  static func path(_ cpu: Int) -> String { "/dev/cpu/\(cpu)/msr" }

  /// The first processing unit of each package: the counter repeats on all of them.
  static func packages(_ files: FileTree) -> [(package: Int, cpu: Int)] {
    let folder = "/sys/devices/system/cpu"
    var first: [Int: Int] = [:]
    for cpu in files.names(in: folder).compactMap({ $0.hasPrefix("cpu") ? Int($0.dropFirst(3)) : nil }) {
      guard let package = files.int("\(folder)/cpu\(cpu)/topology/physical_package_id"), package >= 0 else { continue }
      first[package] = min(first[package] ?? cpu, cpu)
    }
    return first.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  static func sources(_ files: FileTree) -> SourceFinding {
    guard let layout = layout(files) else { return SourceFinding(title) }
    let packages = packages(files).filter { files.exists(path($0.cpu)) }
    var sources: [EnergySource] = []
    for (package, cpu) in packages {
      let path = path(cpu)
      do throws(MeterFailure) {
        let unit = joules(unitRegister: try word(files, path, layout.unit))
        sources.append(source(files, "package-\(package)", path, layout.package, unit: unit))
        if let cores = layout.cores {
          sources.append(source(files, "package-\(package) core", path, cores, unit: unit, isCounted: false))
        }
      } catch {
        return SourceFinding(title, obstacle: error.reason)
      }
    }
    return SourceFinding(title, sources)
  }

  /// Bits 12 to 8: one over two to that power.
  static func joules(unitRegister: UInt64) -> Double { 1 / Double(UInt64(1) << (unitRegister >> 8 & 0x1f)) }

  private static func source(
    _ files: FileTree, _ name: String, _ path: String, _ register: UInt64, unit: Double, isCounted: Bool = true
  ) -> EnergySource {
    let range = CounterRange(joules: unit * 4_294_967_296)
    return .polled(name, isCounted: isCounted, range: range, refresh: RAPLZones.refresh) { () throws(MeterFailure) in
      // The upper half is reserved.
      .joules(Double(try word(files, path, register) & 0xffff_ffff) * unit)
    }
  }

  private static func word(_ files: FileTree, _ path: String, _ register: UInt64) throws(MeterFailure) -> UInt64 {
    do throws(ReadFailure) {
      return try files.word(path, at: register)
    } catch {
      let advice = error == .permissionDenied ? "; \(remedy)" : ""
      throw MeterFailure("the registers of '\(path)' cannot be read: \(error)\(advice)")
    }
  }
}
