// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// The kernels of one instruction set, chosen once and passed down as a value.
package struct KernelSet: @unchecked Sendable {
  /// Of each architecture the best last, as in the kernels' own table.
  package enum Name: String, Sendable, CaseIterable {
    case portable, avx2, avx512vnni, amx, neon, neondotprod, neoni8mm
    /// The best of the others, with 32-bit products of many tokens from OpenBLAS.
    case openblas

    /// All names as a help text lists them.
    package static var list: String {
      allCases.dropLast().map(\.rawValue).joined(separator: ", ") + " or " + Name.openblas.rawValue
    }
  }

  package let name: Name
  /// A row of the constant table; never freed, never written.
  let row: UnsafePointer<ck_kernels>
  let openBLAS: OpenBLAS?
  /// Whether weights are put into interleaved rows before they are multiplied.
  package private(set) var repacks: Bool

  /// The best set that this processor runs.
  package static var best: KernelSet {
    for name in Name.allCases.reversed() {
      if let row = row(name) { return KernelSet(name: name, row: row, openBLAS: nil) }
    }
    preconditionFailure("the portable row is in every build")
  }

  /// The best set that rounds no floats of prompts to 16 bits with eight significant ones, as tiles do: for judging variants
  /// and making them, where a thousandth counts and what is found should not hang on the processor.
  package static var precise: KernelSet {
    best.name == .amx ? row(.avx512vnni).map { KernelSet(name: .avx512vnni, row: $0, openBLAS: nil) } ?? best : best
  }

  /// A set by name, for comparisons and tests.
  ///
  /// - Throws: `LanguageRuntimeError.kernelsUnavailable` when this processor cannot run it.
  package init(_ name: Name) throws(LanguageRuntimeError) {
    let library = name == .openblas ? OpenBLAS.shared : nil
    guard let row = library == nil ? Self.row(name) : Self.best.row else {
      throw .kernelsUnavailable(name.rawValue, available: Self.available, reason: Self.refusal(of: name))
    }
    self.init(name: name, row: row, openBLAS: library)
  }

  /// A set that this processor may not be able to run, for proofs under an emulator; nil where no binary of this
  /// architecture holds it.
  package init?(unchecked name: Name) {
    guard let isa = Self.isa(name), let row = ck_kernels_for(isa) else { return nil }
    self.init(name: name, row: row, openBLAS: nil)
  }

  /// The names of all sets that run here.
  package static var available: [String] {
    Name.allCases.filter { row($0) != nil || ($0 == .openblas && OpenBLAS.shared != nil) }.map(\.rawValue)
  }

  /// Whether the set multiplies this type at all.
  func multiplies(_ type: Int32) -> Bool { ck_is_kept(type) != 0 || ck_decoder_of(row, type) != nil }

  /// Whether the set multiplies this type by a kernel of its own, rather than by decoding to floats.
  package func isDirect(_ type: Int32) -> Bool { interleaves(type) || ck_is_direct(row, type) != 0 }

  private init(name: Name, row: UnsafePointer<ck_kernels>, openBLAS: OpenBLAS?) {
    self.name = name
    self.row = row
    self.openBLAS = openBLAS
    // The portable products over interleaved rows define the others; OpenBLAS wants rows.
    repacks = openBLAS == nil && name != .portable
  }

  /// The same set over weights as they lie in the file.
  package var withoutRepacking: KernelSet {
    var set = self
    set.repacks = false
    return set
  }

  /// Whether a few vectors together give the sums of each one alone, bit for bit, in interleaved rows.
  package var multipliesFew: Bool { repacks && row.pointee.panel_few != nil }

  /// Whether the set multiplies interleaved rows of the type.
  package func interleaves(_ type: Int32) -> Bool { repacks && ck_has_panels(type) != 0 }

  /// The row of that name in the kernels' table, if this processor can run it.
  private static func row(_ name: Name) -> UnsafePointer<ck_kernels>? {
    guard let isa = isa(name), ck_isa_supported(isa) != 0 else { return nil }
    return ck_kernels_for(isa)
  }

  private static func isa(_ name: Name) -> ck_isa? {
    (0..<CK_ISA_COUNT.rawValue).map { ck_isa(rawValue: $0) }.first { String(cString: ck_isa_name($0)) == name.rawValue }
  }
}

extension KernelSet {
  /// Why a set whose instructions the processor has is not offered; nil for one that runs, or that the processor lacks.
  package static func refusal(of name: Name) -> String? {
    guard name == .amx else { return nil }
    var code: Int32 = 0
    return refusal(ck_tile_grant(&code), errno: code)
  }

  static func refusal(_ grant: ck_tile_grant, errno: Int32) -> String? {
    switch grant {
    case CK_TILES_UNSAVED: "the system does not save tile registers between threads"
    case CK_TILES_REFUSED: "the system refuses this process the tile registers (error \(errno))"
    case CK_TILES_WRONG: "a known product by tiles differs from that of AVX-512, so they are left alone"
    default: nil
    }
  }

  /// Whether many vectors are multiplied with rows of so many columns by tiles of 16-bit floats.
  func takesTiles(_ type: Int32, columns: Int) -> Bool { ck_takes_tiles(row, type, Int64(columns)) != 0 }
}

extension KernelSet {
  /// Whether the sizes that the memory plan assumes are those that the kernels ask for.
  package var planConstantsHold: Bool {
    let tokens = RuntimeMemoryPlan.packedTokenGroup
    let width = 64
    let floats = RuntimeMemoryPlan.attentionFloats(queries: tokens, width: width)
    return tokens % Int(row.pointee.token_group) == 0 && tokens % Int(row.pointee.record_tokens) == 0
      && ck_record_bytes(row.pointee.record_tokens, Int64(tokens), 32) <= tokens * 32 * 4
      && ck_record_bytes(1, 1, 32) == QuantizedInputLayout.recordBytes
      && ck_gemm_scratch_bytes(row) <= RuntimeMemoryPlan.gemmScratchFloats * 4
      && (1...512).allSatisfy { ck_tile_bytes($0, 32) <= (Int($0) + tokens - 1) / tokens * tokens * 32 * 4 }
      && ck_packed_bytes(row, Int64(tokens), 8) == tokens * 8 * 4
      && Int(CK_FEW_TOKENS) == ThreadCounts.fewRows
      && ck_word_bytes(row, Int64(tokens), 32) <= tokens * 32 * 4
      && ck_attention_scratch_bytes(Int64(tokens), Int64(width)) == floats * 4
  }
}
