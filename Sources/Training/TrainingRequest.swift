// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
package import ModelFiles

/// How long and how fast to train.
package struct TrainingSettings: Sendable, Equatable {
  package var steps: Int
  package var rate: Double
  /// Nil takes a twentieth of the steps.
  package var warmupSteps: Int?
  /// Windows whose gradients make one step.
  package var batch: Int
  package var context: Int
  /// Of the random weights, of the adapters' and of the text's order.
  package var seed: UInt64
  package var optimizer = AdamW.Settings()

  package init(
    steps: Int, rate: Double, warmupSteps: Int? = nil, batch: Int = 4, context: Int = 256, seed: UInt64 = 1
  ) {
    self.steps = steps
    self.rate = rate
    self.warmupSteps = warmupSteps
    self.batch = batch
    self.context = context
    self.seed = seed
  }

  var schedule: RateSchedule {
    RateSchedule(peak: rate, steps: steps, warmupSteps: warmupSteps ?? steps / 20)
  }
}

/// A smaller network with random weights, in a file's vocabulary and with its width of a head.
package struct StudentShape: Sendable, Equatable {
  package var layers: Int
  /// Nil keeps the file's.
  package var width: Int?
  package var inner: Int?

  package init(layers: Int, width: Int? = nil, inner: Int? = nil) {
    self.layers = layers
    self.width = width
    self.inner = inner
  }
}

/// A text in a model's tokens, with the name that files and messages give it.
package struct TrainingText: Sendable {
  package var name: String
  package var tokens: [Int32]

  package init(name: String, tokens: [Int32]) {
    self.name = name
    self.tokens = tokens
  }
}

/// What to train, on what, and where the result goes.
package struct TrainingRequest: Sendable {
  package enum Start: Sendable, Equatable {
    /// The file's weights.
    case file
    /// Those of some layers of the file.
    case layers([Int])
    case student(StudentShape)
  }

  package var source: ModelFile
  package var output: String
  package var text: TrainingText
  /// Judged before and after.
  package var validation: TrainingText?
  package var start: Start
  package var adaptation: Adaptation
  /// Adds the adapter to the weights; otherwise the result is an adapter file.
  package var merges: Bool
  package var teacher: ModelFile?
  package var loss: TokenLoss
  package var settings: TrainingSettings
  /// Goes on from the state that an interrupted training left beside the output.
  package var resumes: Bool

  package init(
    source: ModelFile, output: String, text: TrainingText, validation: TrainingText? = nil, start: Start = .file,
    adaptation: Adaptation = .allWeights, merges: Bool = false, teacher: ModelFile? = nil,
    loss: TokenLoss = TokenLoss(), settings: TrainingSettings, resumes: Bool = false
  ) {
    self.source = source
    self.output = output
    self.text = text
    self.validation = validation
    self.start = start
    self.adaptation = adaptation
    self.merges = merges
    self.teacher = teacher
    self.loss = loss
    self.settings = settings
    self.resumes = resumes
  }

  var checkpoint: String { output + ".training" }

  /// All that decides the result, in one line: kept in the file, and compared before a training is resumed.
  var summary: String {
    var parts = ["text \(text.name) (\(text.tokens.count) tokens)", "steps \(settings.steps)", "rate \(settings.rate)"]
    parts += ["batch \(settings.batch)", "context \(settings.context)", "seed \(settings.seed)"]
    if let warmup = settings.warmupSteps { parts.append("warm-up \(warmup)") }
    switch start {
    case .file: break
    case .layers(let kept): parts.append("layers \(kept.map(String.init).joined(separator: ","))")
    case .student(let shape):
      parts.append("student of \(shape.layers) layers")
      if let width = shape.width { parts.append("width \(width)") }
      if let inner = shape.inner { parts.append("inner width \(inner)") }
    }
    if case .lora(let lora) = adaptation {
      parts.append("lora rank \(lora.rank) alpha \(lora.alpha) of \(lora.targets.count) matrices")
      if let base = lora.base { parts.append("base \(base.rawValue)") }
    }
    if let teacher, loss.teacherShare > 0 {
      parts.append("teacher \(teacher.description.name) temperature \(loss.temperature) share \(loss.teacherShare)")
    }
    return parts.joined(separator: ", ")
  }
}
