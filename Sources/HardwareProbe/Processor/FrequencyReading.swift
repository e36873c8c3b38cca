// SPDX-License-Identifier: Apache-2.0
internal import Hardware

/// Governor, highest clock, and how often the processor had to slow down.
struct FrequencyReading {
  private static let folder = "/sys/devices/system/cpu"
  let files: FileTree
  init(_ files: FileTree) { self.files = files }

  var policy: FrequencyPolicy {
    // Each policy covers the PUs that share a clock; machines without cpufreq have an empty folder.
    let policies = files.names(in: "\(Self.folder)/cpufreq").filter { $0.hasPrefix("policy") }
      .map { "\(Self.folder)/cpufreq/\($0)" }
    let folders = policies.isEmpty ? ["\(Self.folder)/cpu0/cpufreq"] : policies
    let governors = Set(folders.compactMap { files.text("\($0)/scaling_governor") })
    let kilohertz = folders.compactMap { files.double("\($0)/cpuinfo_max_freq") }.filter { $0 > 0 && $0 < 1e9 }.max()
    return FrequencyPolicy(
      governor: governors.isEmpty ? nil : governors.sorted().joined(separator: ", "),
      maximumHertz: kilohertz.map { $0 * 1000 }, throttleEvents: throttleEvents)
  }

  /// Events since boot: each package's once, each core's as the kernel counts them per PU; nil where nobody counts.
  var throttleEvents: Int? {
    var cores: Int?
    var packages: [Int: Int] = [:]
    let units = files.names(in: Self.folder).compactMap { $0.hasPrefix("cpu") ? Int($0.dropFirst(3)) : nil }
    for unit in units.sorted() {
      let path = "\(Self.folder)/cpu\(unit)"
      guard let events = count("\(path)/thermal_throttle/core_throttle_count") else {
        // Where the first PU has no counter none has.
        if cores == nil { break }
        continue
      }
      cores = (cores ?? 0) + events
      let package = files.int("\(path)/topology/physical_package_id") ?? 0
      packages[package] = max(packages[package] ?? 0, count("\(path)/thermal_throttle/package_throttle_count") ?? 0)
    }
    // A profile holds whole numbers up to 2^31.
    return cores.map { min($0 + packages.values.reduce(0, +), 1 << 31) }
  }

  private func count(_ path: String) -> Int? { files.int(path).flatMap { (0...(1 << 40)).contains($0) ? $0 : nil } }
}
