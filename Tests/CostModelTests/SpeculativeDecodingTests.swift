// SPDX-License-Identifier: Apache-2.0
import CostModel
import Testing

@Suite struct SpeculativeDecodingTests {
  private func decoding(_ acceptance: Double, _ tokens: Int, draft: Double = 0, judging: Double = 1)
    -> SpeculativeDecoding
  {
    SpeculativeDecoding(
      acceptance: acceptance, draftTokens: tokens, draftCost: draft, verificationCost: judging)
  }

  /// Table 1 of arXiv 2211.17192, for drafts that cost nothing; printed with two decimals.
  @Test(arguments: [(0.6, 2, 1.96), (0.7, 3, 2.53), (0.8, 5, 3.69), (0.9, 10, 6.86)])
  func `speed-ups are those of the paper's table`(acceptance: Double, tokens: Int, speedUp: Double) {
    #expect(abs(decoding(acceptance, tokens).speedUp - speedUp) <= 0.005)
  }

  @Test func `proposals that are always right give one token more than there are, wrong ones a single token`() {
    for tokens in 0...9 {
      #expect(decoding(1, tokens).tokensPerRound == Double(tokens + 1))
      #expect(decoding(0, tokens).tokensPerRound == 1)
    }
  }

  @Test func `the draft's time and that of judging divide the gain`() {
    let decoding = decoding(0.5, 3, draft: 0.25, judging: 1.25)
    #expect(decoding.speedUp == 1.875 / 2)
  }
}
