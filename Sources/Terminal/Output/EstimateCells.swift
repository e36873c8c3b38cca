// SPDX-License-Identifier: Apache-2.0
import CostModel
import Quantities

/// How the figures of an estimate look in a table.
enum EstimateCells {
  static func bytes(_ value: Known<ByteCount>) -> StyledText { text(value.value.map(\.description)) }

  /// Rates without their unit: the column's title has it.
  static func rate(_ value: Known<TokenRate>) -> StyledText {
    text(value.value.map { QuantityFormat.threeDigits($0.magnitude) })
  }

  static func time(_ value: Known<Seconds>) -> StyledText { text(value.value.map(\.description)) }
  static func energy(_ value: Known<Energy>) -> StyledText {
    text(value.value.map { QuantityFormat.threeDigits($0.joules) })
  }

  static func grade(_ quality: QualityEstimate) -> StyledText {
    guard let grade = quality.grade else { return text(nil) }
    return StyledText(grade.rawValue, grade >= .degraded ? .bad : grade >= .noticeable ? .caution : .plain)
  }

  /// How many models the loss was published of, or that nobody has said.
  static func evidence(_ quality: QualityEstimate) -> StyledText {
    guard quality.loss.value != nil else { return StyledText("none", .faint) }
    guard !quality.models.isEmpty else { return StyledText(quality.loss.basis.rawValue) }
    return StyledText(quality.models.count == 1 ? "1 model" : "\(quality.models.count) models")
  }

  static func verdict(_ verdict: Verdict?) -> StyledText {
    switch verdict {
    case .comfortable: StyledText("yes", .good)
    case .tight: StyledText("tight", .caution)
    case .no: StyledText("no", .bad)
    case nil: text(nil)
    }
  }

  /// Unknown is a dash, never a zero.
  private static func text(_ value: String?) -> StyledText { value.map { StyledText($0) } ?? StyledText("–", .faint) }
}
