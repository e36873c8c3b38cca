// SPDX-License-Identifier: Apache-2.0
internal import Hardware

/// What was found out about instruction sets, before any judgement.
struct InstructionFacts: Sendable {
  enum Family: Sendable { case x86, arm64, other }

  /// Whether the kernel lets processes use AMX tiles.
  enum Grant: Equatable, Sendable {
    case granted
    case refused(errno: Int32)
    case unknown
  }

  var family: Family
  /// Names that every PU has.
  var present: Set<String>
  /// Register states that the kernel saves (XCR0); nil when only a recording of CPUID is there.
  var savedStates: UInt64?
  var amx: Grant = .unknown
  /// Where the names come from, for the reasons.
  var source: String
}

extension InstructionFacts {
  /// - Parameter cpuid: the dumps' leaves by PU, or this machine's; empty off x86.
  static func read(_ files: FileTree, architecture: String, cpuid: [CPUIDLeaves], isLive: Bool) -> InstructionFacts? {
    if let first = cpuid.first {
      let present = cpuid.dropFirst().reduce(first.features) { $0.intersection($1.features) }
      let registers = isLive ? RegisterGrants.live(asksForAMX: present.contains("amx_tile")) : RegisterGrants(files)
      return InstructionFacts(
        family: .x86, present: present, savedStates: registers.savedStates, amx: registers.amx, source: "CPUID")
    }
    if architecture == "aarch64" {
      guard let present = armFeatures(files) else { return nil }
      return InstructionFacts(family: .arm64, present: present, source: "the kernel's capabilities")
    }
    guard architecture == "x86_64" || architecture == "i686" else { return nil }
    guard let flags = processorFlags(files, key: "flags") else { return nil }
    let names = Set(X86Feature.all.map(\.name))
    // The kernel lists a set in /proc/cpuinfo only when it also saves its registers.
    return InstructionFacts(
      family: .x86, present: flags.intersection(names), savedStates: .max, source: "/proc/cpuinfo")
  }

  /// Words under `key` that every processor of `/proc/cpuinfo` has; nil without such a line.
  static func processorFlags(_ files: FileTree, key: String) -> Set<String>? {
    let lists = Set(files.lines("/proc/cpuinfo").filter { $0.hasPrefix(key) }).map { line in
      Set(line.split(separator: ":").dropFirst().joined().split(separator: " ").map { String($0) })
    }
    guard let first = lists.first else { return nil }
    return lists.dropFirst().reduce(first) { $0.intersection($1) }
  }

  /// Bits of the auxiliary vector and words of `/proc/cpuinfo` (Linux, Documentation/arch/arm64/elf_hwcaps.rst).
  private static let armNames: [(name: String, word: String, entry: UInt64, bit: UInt64)] = [
    ("neon", "asimd", 16, 1), ("dotprod", "asimddp", 16, 20), ("sve", "sve", 16, 22), ("i8mm", "i8mm", 26, 13),
    ("bf16", "bf16", 26, 14), ("sme", "sme", 26, 23),
  ]

  private static func armFeatures(_ files: FileTree) -> Set<String>? {
    if let vector = try? files.bytes("/proc/self/auxv"), let found = armFeatures(auxiliaryVector: vector) {
      return found
    }
    guard let words = processorFlags(files, key: "Features") else { return nil }
    return Set(armNames.filter { words.contains($0.word) }.map(\.name))
  }

  /// Pairs of 64-bit type and value; AT_HWCAP is 16, AT_HWCAP2 26. nil when there is no AT_HWCAP.
  static func armFeatures(auxiliaryVector bytes: [UInt8]) -> Set<String>? {
    var values: [UInt64: UInt64] = [:]
    for start in stride(from: 0, to: bytes.count - 15, by: 16) {
      func word(_ at: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64($1 * 8) }
      }
      let kind = word(start)
      if kind == 0 { break }
      values[kind] = word(start + 8)
    }
    guard values[16] != nil else { return nil }
    return Set(armNames.filter { (values[$0.entry] ?? 0) & (1 << $0.bit) != 0 }.map(\.name))
  }
}
