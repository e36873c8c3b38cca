// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Planning

/// Who proposes tokens that the model judges several at a time.
struct DraftOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Speculative decoding: a smaller model of the same vocabulary that proposes tokens, or 'lookup' for what followed "
        + "the same words before.", valueName: "model"))
  var draft: String?
  @Option(help: ArgumentHelp("The most tokens of a proposal.", valueName: "count"), transform: TokenCount.parse)
  var draftTokens = 4

  static let mostTokens = 31

  func validate() throws {
    guard draftTokens <= Self.mostTokens else {
      throw ValidationError("--draft-tokens is \(draftTokens); give a whole number from 1 to \(Self.mostTokens).")
    }
  }

  var reference: DraftReference? { draft.map { DraftReference($0, tokens: draftTokens) } }
}
