// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// The kernels of one instruction set, chosen once and passed down as a value.
package struct KernelSet: @unchecked Sendable {
  package enum Name: String, Sendable, CaseIterable {
    case portable, avx2, avx512vnni
    /// AVX2 or better, with 32-bit products of many tokens from OpenBLAS.
    case openblas
  }

  package let name: Name
  /// A row of the constant table; never freed, never written.
  let row: UnsafePointer<ck_kernels>
  let openBLAS: OpenBLAS?
  /// Whether weights are put into interleaved rows before they are multiplied.
  package private(set) var repacks: Bool

  /// The best set that this processor runs.
  package static var best: KernelSet {
    for name in [Name.avx512vnni, .avx2] {
      if let set = try? KernelSet(name) { return set }
    }
    return KernelSet(name: .portable, row: portableRow, openBLAS: nil)
  }

  /// A set by name, for comparisons and tests.
  ///
  /// - Throws: `LanguageRuntimeError.kernelsUnavailable` when this processor cannot run it.
  package init(_ name: Name) throws(LanguageRuntimeError) {
    switch name {
    case .portable: self.init(name: name, row: Self.portableRow, openBLAS: nil)
    case .avx2: self.init(name: name, row: try Self.row(CK_AVX2, name), openBLAS: nil)
    case .avx512vnni: self.init(name: name, row: try Self.row(CK_AVX512_VNNI, name), openBLAS: nil)
    case .openblas:
      guard let library = OpenBLAS.shared else { throw .kernelsUnavailable(name.rawValue, available: Self.available) }
      self.init(name: name, row: Self.best.row, openBLAS: library)
    }
  }

  /// The names of all sets that run here.
  package static var available: [String] {
    Name.allCases.filter { (try? KernelSet($0)) != nil }.map(\.rawValue)
  }

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

  private static func row(_ isa: ck_isa, _ name: Name) throws(LanguageRuntimeError) -> UnsafePointer<ck_kernels> {
    guard ck_isa_supported(isa) != 0, let row = ck_kernels_for(isa) else {
      let available = [Name.portable, .avx2].filter { $0 == .portable || ck_isa_supported(CK_AVX2) != 0 }
      throw .kernelsUnavailable(name.rawValue, available: available.map(\.rawValue))
    }
    return row
  }

  private static var portableRow: UnsafePointer<ck_kernels> {
    guard let row = ck_kernels_for(CK_PORTABLE) else { preconditionFailure("the portable row is in every build") }
    return row
  }
}

extension KernelSet {
  /// Whether the sizes that the memory plan assumes are those that the kernels ask for.
  package var planConstantsHold: Bool {
    let tokens = RuntimeMemoryPlan.packedTokenGroup
    let width = 64
    let floats =
      tokens * (RuntimeMemoryPlan.attentionTile + RuntimeMemoryPlan.attentionStateFloats)
      + RuntimeMemoryPlan.attentionTile * width
    return tokens % Int(row.pointee.token_group) == 0 && tokens % Int(row.pointee.record_tokens) == 0
      && ck_record_bytes(row.pointee.record_tokens, Int64(tokens), 32) <= tokens * 32 * 4
      && ck_record_bytes(1, 1, 32) == QuantizedInputLayout.recordBytes
      && ck_gemm_scratch_bytes(row) == RuntimeMemoryPlan.gemmScratchFloats * 4
      && ck_packed_bytes(row, Int64(tokens), 8) == tokens * 8 * 4
      && ck_attention_scratch_bytes(Int64(tokens), Int64(width)) == floats * 4
  }
}
