// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Inference

/// How the next token is chosen.
struct SamplingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("0 is greedy; higher is freer.", valueName: "value"), transform: Amount.parse)
  var temperature = 0.8
  @Option(help: ArgumentHelp("Choose among so many; 0 among all.", valueName: "count")) var topK = 40
  @Option(
    help: ArgumentHelp("Choose among the likeliest that reach this sum.", valueName: "share"), transform: Share.parse)
  var topP = 0.95
  @Option(help: ArgumentHelp("Drop what is below this share of the best.", valueName: "share"), transform: Share.parse)
  var minP = 0.05
  @Option(
    help: ArgumentHelp("Keep what surprises as expected, up to this sum; 1 keeps all.", valueName: "share"),
    transform: Share.parse)
  var typicalP = 1.0
  @Option(
    help: ArgumentHelp("Divide the scores of tokens that were there; 1 is off.", valueName: "factor"),
    transform: Amount.parse)
  var repeatPenalty = 1.0
  @Option(help: ArgumentHelp("Take this from a score for every time it was there.", valueName: "value"))
  var frequencyPenalty = 0.0
  @Option(help: ArgumentHelp("Take this from a score that was there.", valueName: "value")) var presencePenalty = 0.0
  @Option(help: ArgumentHelp("The last tokens that the penalties look at.", valueName: "count")) var repeatLast = 64
  @Option(
    help: ArgumentHelp("Hold this surprise in bits per token (Mirostat 2) instead of the cuts.", valueName: "bits"),
    transform: Amount.parse)
  var mirostat: Double?
  @Option(
    help: ArgumentHelp("How fast Mirostat follows what it sees.", valueName: "rate"), transform: Amount.parse)
  var mirostatRate = 0.1
  @Option(help: ArgumentHelp("The same seed gives the same text.", valueName: "number")) var seed: UInt64 = 1

  func validate() throws {
    guard topK >= 0 else { throw ValidationError("--top-k is \(topK); give a whole number from 0.") }
    guard repeatPenalty > 0 else { throw ValidationError("--repeat-penalty is 0; give a number above 0, 1 for none.") }
    guard repeatLast >= 0 else { throw ValidationError("--repeat-last is \(repeatLast); give a whole number from 0.") }
    for (name, value) in [("--frequency-penalty", frequencyPenalty), ("--presence-penalty", presencePenalty)] {
      guard value.isFinite, abs(value) <= 100 else {
        throw ValidationError("\(name) is \(value); give a number from -100 to 100.")
      }
    }
  }

  var settings: Sampler.Settings {
    var settings = Sampler.Settings(temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
    settings.typicalP = typicalP
    settings.penalties = .init(
      window: repeatLast, repetition: repeatPenalty, frequency: frequencyPenalty, presence: presencePenalty)
    settings.mirostat = mirostat.map { .init(target: $0, rate: mirostatRate) }
    return settings
  }
}

/// A number from 0.
enum Amount {
  static func parse(_ text: String) throws -> Double {
    guard let number = Double(text), number >= 0, number.isFinite else {
      throw ValidationError("'\(text)' is no number from 0.")
    }
    return number
  }
}

/// A part of one.
enum Share {
  static func parse(_ text: String) throws -> Double {
    guard let number = Double(text), (0...1).contains(number) else {
      throw ValidationError("'\(text)' is no share from 0 to 1.")
    }
    return number
  }
}

/// A conversation of one turn.
struct ChatOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Ask this, in the model's own chat template.", valueName: "message")) var chat: String?
  @Option(help: ArgumentHelp("What the model is told before the conversation.", valueName: "text")) var system: String?

  func validate() throws {
    guard system == nil || chat != nil else { throw ValidationError("--system goes with --chat.") }
  }

  /// Nil when nothing is asked.
  var messages: [ChatMessage]? {
    chat.map { message in (system.map { [ChatMessage(.system, $0)] } ?? []) + [ChatMessage(.user, message)] }
  }
}
