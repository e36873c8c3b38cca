// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import Inference
import LanguageModel
import Testing
import TileEmulator

/// The set with tiles: by the processor's own instructions, or by an emulator that catches them.
private let tiles: KernelSet? = {
  guard ck_isa_supported(CK_AVX512_VNNI) != 0 else { return nil }
  guard ck_tile_grant(nil) == CK_TILES_GRANTED || te_install() != 0 else { return nil }
  return KernelSet(unchecked: .amx)
}()

@Suite(.enabled(if: tiles != nil, "no AVX-512 VNNI beside which tiles could be emulated"))
struct TilePassTests {
  private let tokens = (0..<40).map { Int32($0 * 37 % 96) }

  /// 16-bit floats on both sides: each is off by at most 2⁻⁸ of itself, in the root mean square of its rounding less than
  /// 2⁻⁸ / √3; two of them a product and seven products in a chain, whose errors add up as squares: 2⁻⁸ / √3 · √14 ≈
  /// 0.9 % a layer.
  private let tileBound = 0.02

  @Test(arguments: [BlockFormat.f16, .q4_0, .q6_k])
  func `a long prompt by tiles equals the naive twin within its rounding`(format: BlockFormat) throws {
    let kernels = try #require(tiles)
    let architecture = smallArchitecture(layers: 1)
    let inventory = smallInventory(architecture, format)
    var expected: [Double] = []
    var alone: [Float] = []
    for threads in [1, 2] {
      try withPool(threads) { pool in
        let weights = try SyntheticWeights(inventory: inventory, seed: 3, pool: pool)
        if expected.isEmpty {
          var twin = NaiveTwin(architecture: architecture, weights: weights)
          for token in tokens { expected = twin.logits(after: token) }
        }
        let session = try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(contextTokens: 64, microBatch: 64),
          kernels: kernels, pool: pool)
        let before = te_count()
        let logits = Array(try session.logits(after: tokens))
        // Alone, this thread multiplies everything: by instructions that are caught where the processor has none.
        if threads == 1 && ck_tile_grant(nil) != CK_TILES_GRANTED { #expect(te_count() > before) }
        #expect(relativeDistance(logits, expected) < tileBound, "\(threads) threads")
        if threads == 1 { alone = logits } else { #expect(logits == alone) }
      }
    }
  }

  @Test func `the set keeps its other paths, and the plan has room for its buffers`() throws {
    let kernels = try #require(tiles)
    #expect(kernels.planConstantsHold && kernels.multipliesFew)
    let path = try #require(kernels.path(.q4_0))
    #expect(path.decode.arithmetic == .integers && path.prefill.arithmetic == .tiles && path.doubt == nil)
    #expect(try #require(kernels.path(.f32)).prefill.arithmetic == .floats)
    #expect(kernels.arithmetic(.block(.q4_0), isBatch: true) == .tiles)
    #expect(kernels.arithmetic(.block(.q4_0), isBatch: false) == .integers)
  }

  @Test func `tiles that cannot be used are named with what stands against them`() {
    #expect(KernelSet.refusal(of: .avx2) == nil)
    #expect((KernelSet.refusal(of: .amx) == nil) == [CK_TILES_GRANTED, CK_TILES_ABSENT].contains(ck_tile_grant(nil)))
    let error = LanguageRuntimeError.kernelsUnavailable("amx", available: ["avx2"], reason: "the system refuses")
    #expect(error.message == "This machine cannot run the kernels 'amx': the system refuses.")
  }
}
