// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Quantities
import Recommender

extension Objective: ExpressibleByArgument {}

/// What an answer must satisfy and what is wanted most.
struct ChoiceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("What matters most.", valueName: "objective"))
  var objective: Objective = .balanced

  @Option(
    help: ArgumentHelp("The least decode speed for each user, in tokens per second.", valueName: "tokens/s"),
    transform: PositiveNumber.parse)
  var minSpeed: Double?

  @Option(
    help: ArgumentHelp("The most energy per token, in joules.", valueName: "joules"), transform: PositiveNumber.parse)
  var maxEnergy: Double?

  @Option(help: ArgumentHelp("The most memory to take, such as 6GiB.", valueName: "size"), transform: Self.size)
  var maxMemory: ByteCount?

  @Option(
    help: ArgumentHelp(
      "The worst loss to accept: indistinguishable, 'very good', good, noticeable, degraded or broken.",
      valueName: "grade"), transform: Self.grade)
  var maxLoss: QualityEstimate.Grade?

  /// Whether anything must be satisfied.
  var constrains: Bool { minSpeed != nil || maxEnergy != nil || maxMemory != nil || maxLoss != nil }

  func constraints(mustRun: Bool) -> Constraints {
    Constraints(
      minimumDecode: minSpeed.map { TokenRate(magnitude: $0) },
      maximumEnergyPerToken: maxEnergy.map { Energy(joules: $0) }, maximumMemory: maxMemory, worstGrade: maxLoss,
      mustRun: mustRun)
  }

  private static func size(_ text: String) throws -> ByteCount {
    do { return try QuantityParser.bytes(text) } catch {
      throw ValidationError("'\(text)' is no size of memory. Write it with its unit, such as 6GiB or 6GB.")
    }
  }

  private static func grade(_ text: String) throws -> QualityEstimate.Grade {
    guard let grade = QualityEstimate.Grade(rawValue: text.replacing("-", with: " ")) else {
      let grades = QualityEstimate.Grade.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      throw ValidationError("'\(text)' is no grade of loss. One of \(grades).")
    }
    return grade
  }
}

enum PositiveNumber {
  static func parse(_ text: String) throws -> Double {
    guard let number = Double(text), number > 0, number.isFinite else {
      throw ValidationError("'\(text)' is no positive number.")
    }
    return number
  }
}
