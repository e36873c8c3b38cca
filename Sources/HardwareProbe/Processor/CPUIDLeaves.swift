// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe

/// Answers of the CPUID instruction, asked here or read from hwloc's dumps.
struct CPUIDLeaves: Equatable {
  struct Registers: Equatable {
    var eax: UInt32 = 0
    var ebx: UInt32 = 0
    var ecx: UInt32 = 0
    var edx: UInt32 = 0
  }

  struct Key: Hashable {
    var leaf: UInt32
    var subleaf: UInt32
  }

  private(set) var leaves: [Key: Registers] = [:]

  subscript(leaf: UInt32, subleaf: UInt32 = 0) -> Registers? { leaves[Key(leaf: leaf, subleaf: subleaf)] }

  /// The leaves that the probe uses, from the PU that runs this; nil off x86.
  init?(live: Void) {
    let wanted: [(UInt32, UInt32)] = [
      (0, 0), (1, 0), (7, 0), (7, 1), (0xD, 0), (0x19, 0), (0x1E, 0), (0x8000_0000, 0), (0x8000_0001, 0),
      (0x4000_0000, 0),
    ]
    for (leaf, subleaf) in wanted {
      var values: [UInt32] = [0, 0, 0, 0]
      guard chp_cpuid(leaf, subleaf, &values) == 1 else { continue }
      leaves[Key(leaf: leaf, subleaf: subleaf)] = Registers(
        eax: values[0], ebx: values[1], ecx: values[2], edx: values[3])
    }
    if leaves.isEmpty { return nil }
  }

  /// Reads one PU's file of hwloc's dumps: `mask eax ebx ecx edx => eax ebx ecx edx`, hexadecimal. Bits of the mask
  /// tell which inputs count: 1 the leaf in eax, 4 the subleaf in ecx.
  init(dump: String) {
    for line in dump.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: " ").map { UInt32($0, radix: 16) }
      guard fields.count == 10, let mask = fields[0], let leaf = fields[1], let subleaf = fields[3],
        let eax = fields[6], let ebx = fields[7], let ecx = fields[8], let edx = fields[9]
      else { continue }
      let key = Key(leaf: leaf, subleaf: mask & 4 == 0 ? 0 : subleaf)
      // The first answer is the one that the mask's order makes hwloc use.
      if leaves[key] == nil { leaves[key] = Registers(eax: eax, ebx: ebx, ecx: ecx, edx: edx) }
    }
  }

  /// Twelve letters of leaf 0 (`GenuineIntel`), or those of the hypervisor's leaf.
  func name(leaf: UInt32) -> String? {
    guard let registers = self[leaf] else { return nil }
    let order =
      leaf == 0 ? [registers.ebx, registers.edx, registers.ecx] : [registers.ebx, registers.ecx, registers.edx]
    let bytes = order.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    let text = String(decoding: bytes.filter { (0x20..<0x7F).contains($0) }, as: UTF8.self).trimmed
    return text.isEmpty ? nil : text
  }

  var hasHypervisor: Bool? { self[1].map { $0.ecx & (1 << 31) != 0 } }

  /// The feature names of one PU (Linux's words).
  var features: Set<String> {
    Set(
      X86Feature.all.filter { feature in
        guard let registers = self[feature.leaf, feature.subleaf] else { return false }
        // Subleaf 1 of leaf 7 exists only when subleaf 0 says so; otherwise processors repeat another leaf.
        if feature.leaf == 7, feature.subleaf == 1, (self[7]?.eax ?? 0) < 1 { return false }
        return registers[keyPath: feature.register] & (1 << feature.bit) != 0
      }.map(\.name))
  }
}

/// Where CPUID tells of an instruction set (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
struct X86Feature {
  let name: String
  let leaf: UInt32
  let subleaf: UInt32
  let register: any KeyPath<CPUIDLeaves.Registers, UInt32> & Sendable
  let bit: UInt32

  static let all: [X86Feature] = [
    .init(name: "sse4_2", leaf: 1, subleaf: 0, register: \.ecx, bit: 20),
    .init(name: "avx", leaf: 1, subleaf: 0, register: \.ecx, bit: 28),
    .init(name: "f16c", leaf: 1, subleaf: 0, register: \.ecx, bit: 29),
    .init(name: "fma", leaf: 1, subleaf: 0, register: \.ecx, bit: 12),
    .init(name: "avx2", leaf: 7, subleaf: 0, register: \.ebx, bit: 5),
    .init(name: "avx_vnni", leaf: 7, subleaf: 1, register: \.eax, bit: 4),
    .init(name: "avx512f", leaf: 7, subleaf: 0, register: \.ebx, bit: 16),
    .init(name: "avx512bw", leaf: 7, subleaf: 0, register: \.ebx, bit: 30),
    .init(name: "avx512vl", leaf: 7, subleaf: 0, register: \.ebx, bit: 31),
    .init(name: "avx512_vnni", leaf: 7, subleaf: 0, register: \.ecx, bit: 11),
    .init(name: "avx512_bf16", leaf: 7, subleaf: 1, register: \.eax, bit: 5),
    .init(name: "avx512_fp16", leaf: 7, subleaf: 0, register: \.edx, bit: 23),
    .init(name: "amx_tile", leaf: 7, subleaf: 0, register: \.edx, bit: 24),
    .init(name: "amx_int8", leaf: 7, subleaf: 0, register: \.edx, bit: 25),
    .init(name: "amx_bf16", leaf: 7, subleaf: 0, register: \.edx, bit: 22),
  ]
}
