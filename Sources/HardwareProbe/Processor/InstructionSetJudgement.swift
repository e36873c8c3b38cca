// SPDX-License-Identifier: Apache-2.0
internal import Hardware

extension InstructionFacts {
  /// Every instruction set of the family, there or not, worth using or not, and why.
  var instructionSets: [InstructionSet] {
    switch family {
    case .x86: X86Feature.all.map { judged($0.name, x86Objection) }
    case .arm64: ["neon", "dotprod", "i8mm", "bf16", "sve", "sme"].map { judged($0, armObjection) }
    case .other: []
    }
  }

  private func judged(_ name: String, _ objection: (String) -> String?) -> InstructionSet {
    guard present.contains(name) else {
      return InstructionSet(name: name, isPresent: false, isWorthUsing: false, reason: "\(source) does not list it")
    }
    if let why = objection(name) {
      return InstructionSet(name: name, isPresent: true, isWorthUsing: false, reason: why)
    }
    return InstructionSet(name: name, isPresent: true, isWorthUsing: true, reason: Self.benefit[name] ?? "")
  }

  private func has(_ names: String...) -> Bool { names.allSatisfy { present.contains($0) } }

  /// Why an instruction set that is there should be left alone, or nil.
  private func x86Objection(_ name: String) -> String? {
    if let why = unsavedRegisters(name) { return why }
    switch name {
    case "sse4_2": return has("avx2") ? "AVX2 does the same on registers twice as wide" : nil
    case "avx": return has("avx2") ? "AVX2 adds the integer instructions that quantised formats need" : nil
    case "avx2": return has("fma") ? nil : "there is no FMA beside it, which the kernels for it use"
    case "avx_vnni":
      return has("avx512_vnni", "avx512vl") ? "AVX-512 VNNI does the same on registers twice as wide" : nil
    case "avx512f", "avx512bw", "avx512vl", "avx512_vnni":
      // Xeon Phi has F without BW and VL: no byte operations, so nothing for quantised formats.
      return has("avx512f", "avx512bw", "avx512vl", "avx512_vnni")
        ? nil : "quantised formats need F, BW, VL and VNNI together, and one of them is missing"
    case "avx512_bf16": return has("avx512f", "avx512bw", "avx512vl") ? nil : "AVX-512 F, BW and VL are not all there"
    case "avx512_fp16": return "sums in half precision lose digits that the model needs; F16C converts at load speed"
    case "amx_tile", "amx_int8", "amx_bf16": return amxObjection
    default: return nil
    }
  }

  private func unsavedRegisters(_ name: String) -> String? {
    guard let savedStates else { return nil }
    // XCR0 (Intel SDM volume 1, 13.1): SSE and AVX 0x6, AVX-512 0xE0, AMX tile configuration and data 0x60000.
    let needed: UInt64 =
      switch name {
      case "sse4_2": 0
      case _ where name.hasPrefix("amx"): 0x60000
      case _ where name.hasPrefix("avx512"): 0xE6
      default: 0x6
      }
    return savedStates & needed == needed ? nil : "the kernel does not save its registers (XCR0)"
  }

  private var amxObjection: String? {
    guard has("amx_tile") else { return "there are no tile instructions beside it" }
    switch amx {
    case .granted: return nil
    case .refused(let code): return "the kernel does not grant the tile registers to this process (errno \(code))"
    case .unknown: return "a recording does not tell whether the kernel grants the tile registers"
    }
  }

  private func armObjection(_ name: String) -> String? {
    switch name {
    case "sve": has("neon") ? "its width is not known from here, and at 128 bits NEON does the same" : nil
    case "sme": "its streaming mode is shared between cores and costs a switch for every product"
    default: nil
    }
  }

  private static let benefit: [String: String] = [
    "sse4_2": "16-byte registers; nothing wider is there",
    "avx": "32-byte registers for 32-bit floats; nothing newer is there",
    "f16c": "converts the half-precision scales of every block",
    "fma": "a multiply and an add in one instruction",
    "avx2": "32-byte registers for integers and floats",
    "avx_vnni": "four byte products and their sum in one instruction",
    "avx512f": "64-byte registers, granted by the kernel",
    "avx512bw": "byte operations on 64-byte registers",
    "avx512vl": "masks and new instructions on shorter registers too",
    "avx512_vnni": "four byte products and their sum in one instruction, 64 bytes at a time",
    "avx512_bf16": "products of 16-bit weights without widening them",
    "amx_tile": "tile registers, granted by the kernel",
    "amx_int8": "products of whole tiles of bytes, for prompts",
    "amx_bf16": "products of whole tiles of 16-bit floats, for prompts",
    "neon": "16-byte registers for integers and floats",
    "dotprod": "four byte products and their sum in one instruction",
    "i8mm": "products of 2×8 byte matrices in one instruction, for prompts",
    "bf16": "products of 16-bit weights without widening them",
    "sve": "vectors of the width that the processor has",
  ]
}
