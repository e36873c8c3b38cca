// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// Figures of `/proc/meminfo` and the huge pages.
struct MemoryReading {
  let files: FileTree
  private let kibibytes: [Substring: Int]
  private let reason: String

  init(_ files: FileTree) {
    self.files = files
    var found: [Substring: Int] = [:]
    do {
      let text = String(decoding: try files.bytes("/proc/meminfo"), as: UTF8.self)
      for line in text.split(separator: "\n") {
        let fields = line.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "\t" })
        if fields.count >= 2, let value = Int(fields[1]) { found[fields[0]] = value }
      }
      reason = "'/proc/meminfo' has no such line"
    } catch {
      reason = "'/proc/meminfo' was not read: \(error)"
    }
    kibibytes = found
  }

  func figure(_ name: Substring) -> Known<ByteCount> {
    kernelBytes(kibibytes: kibibytes[name], missing: "\(reason) (\(name))")
  }

  var total: Known<ByteCount> { figure("MemTotal") }
  var swapTotal: Known<ByteCount> { figure("SwapTotal") }

  /// `MemAvailable`, or what kernels before 3.14 let one conclude: free memory and the page cache.
  var available: Known<ByteCount> {
    if kibibytes["MemAvailable"] != nil { return figure("MemAvailable") }
    return figure("MemFree") + figure("Cached") + figure("Buffers")
  }

  var hugePages: HugePages {
    let choice = files.text("/sys/kernel/mm/transparent_hugepage/enabled")
    let chosen = choice?.split(separator: " ").first { $0.hasPrefix("[") }
    return HugePages(
      size: figure("Hugepagesize").value, reserved: kibibytes["HugePages_Total"].flatMap { $0 >= 0 ? $0 : nil },
      transparent: chosen.map { String($0.dropFirst().dropLast()) })
  }
}

/// A limit on memory, and what is already charged against it.
struct MemoryLimit: Equatable {
  var limit: ByteCount
  var source: String
  /// What cannot be reclaimed of what is charged.
  var used: ByteCount

  var room: ByteCount { ByteCount(max(0, limit.bytes - used.bytes)) }

  /// The limit that leaves least room; the smaller limit where the room is the same.
  static func binding(_ limits: [MemoryLimit]) -> MemoryLimit? {
    limits.min { ($0.room, $0.limit) < ($1.room, $1.limit) }
  }
}

/// Limits of the shell (`ulimit`), from `/proc/self/limits`.
struct ProcessLimits {
  let files: FileTree

  var memory: [MemoryLimit] {
    [
      limit("Max address space", name: "RLIMIT_AS", usedBy: "VmSize"),
      limit("Max data size", name: "RLIMIT_DATA", usedBy: "VmData"),
    ].compactMap { $0 }
  }

  private func limit(_ row: String, name: String, usedBy key: String) -> MemoryLimit? {
    guard let line = files.lines("/proc/self/limits").first(where: { $0.hasPrefix(row) }),
      let soft = line.dropFirst(row.count).split(separator: " ").first.flatMap({ Int64($0) }), soft >= 0, soft < 1 << 60
    else { return nil }
    let used = files.value(key, in: "/proc/self/status").flatMap { Int($0.split(separator: " ").first ?? "") }
    let bytes = kernelBytes(kibibytes: used, missing: "").value ?? ByteCount(0)
    return MemoryLimit(limit: ByteCount(soft), source: "\(name) (ulimit)", used: bytes)
  }
}
