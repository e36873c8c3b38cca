// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Evidence
internal import Foundation
internal import JSONText
internal import LanguageModel
internal import Training

/// Makes the files of a study's variants.
///
/// A variant with training among its steps is made in stages, each from the file of the stages before it; two variants
/// that begin alike share these files.
struct StudyMaker {
  /// What a variant runs from.
  struct Made {
    var file: String
    var adapter: String?
    /// The answer of `train`, where one of the steps is the result of training.
    var record: JSON?
  }

  let session: PlanningSession
  /// The model as given.
  let source: String
  /// Where files are put.
  let folder: String
  let options: StudyOptions
  /// The text that says which weights matter.
  let calibration: String
  let running: MeasuringOptions

  func make(_ entry: Study.Entry) throws -> Made {
    try made(try CompressionVariant(parsing: entry.variant).steps[...], entry)
  }

  private func made(_ steps: ArraySlice<CompressionStep>, _ entry: Study.Entry) throws -> Made {
    guard let last = steps.last else { return Made(file: source) }
    switch last {
    case .student(let name): return try student(name, steps, entry)
    case .structure(.mergedAdapter(let rank)):
      let base = try made(steps.dropLast(), entry)
      let output = path(StudyPlan.file(steps, entry.training))
      let lora = Adaptation.lora(LoRASettings(rank: rank))
      return Made(file: output, record: try trained(base.file, output, last, entry, adaptation: lora, merges: true))
    case .structure(.adapter(let rank)): return try adapter(rank, steps, entry)
    default:
      let first = steps.lastIndex(where: \.isTrained).map { $0 + 1 } ?? steps.startIndex
      var base = try made(steps[..<first], entry)
      let isWhole = steps.count == (try CompressionVariant(parsing: entry.variant).steps.count)
      let nearest = isWhole && entry.roundsToNearest
      let pruneBy = isWhole ? entry.pruneBy.flatMap(SparsityCriterion.init(rawValue:)) : nil
      let output = path(StudyPlan.file(steps, entry.training, method: nearest ? "nearest" : pruneBy?.rawValue))
      let pruning = PruningChoice(weights: pruneBy)
      try compress(base.file, CompressionVariant(Array(steps[first...])), output, pruning, nearest: nearest)
      base.file = output
      return base
    }
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)" }

  private func compress(
    _ input: String, _ variant: CompressionVariant, _ output: String, _ pruning: PruningChoice, nearest: Bool
  ) throws {
    guard !FileManager.default.fileExists(atPath: output) else { return }
    let compressing = CompressingOptions(
      calibration: nearest ? nil : calibration, pruning: pruning, roundsToNearest: nearest, running: running)
    _ = try session.compress(input, to: output, variant, compressing)
  }

  // MARK: Training

  /// A student with half of the layers, alone or with the model as its teacher.
  private func student(_ name: String, _ steps: ArraySlice<CompressionStep>, _ entry: Study.Entry) throws -> Made {
    guard name == "half" else { throw StudyError.unknownStudent(name) }
    let layers = try session.description(of: .path(source)).architecture.layers.count
    let output = path(StudyPlan.file(steps, entry.training))
    let record = try trained(
      source, output, .student(model: name), entry, start: .student(StudentShape(layers: max(1, layers / 2))),
      teacher: entry.training?.hasTeacher == true ? source : nil)
    return Made(file: output, record: record)
  }

  /// An adapter kept apart: beside a GGUF file trained on that file, beside a checkpoint on the file that the checkpoint
  /// was made of, rounded to its levels.
  private func adapter(_ rank: Int, _ steps: ArraySlice<CompressionStep>, _ entry: Study.Entry) throws -> Made {
    let output = path(StudyPlan.adapterName(Array(steps), entry.training))
    var base = try made(steps.dropLast(), entry)
    guard let step = steps.last else { return base }
    var lora = LoRASettings(rank: rank)
    var input = base.file
    if case .linearLayers(let format) = steps.dropLast().last, !input.hasSuffix(".gguf") {
      switch format {
      case .normalFloat4: lora.base = .nf4
      case .float4: lora.base = .fp4
      default: break
      }
      input = try made(steps.dropLast(2), entry).file
    }
    base.adapter = output
    base.record = try trained(input, output, step, entry, adaptation: .lora(lora))
    return base
  }

  /// Trains what is not there yet, going on from the state of a training that was stopped.
  ///
  /// - Returns: the answer of `train`, which lies beside the file.
  private func trained(
    _ input: String, _ output: String, _ step: CompressionStep, _ entry: Study.Entry,
    start: TrainingRequest.Start = .file, adaptation: Adaptation = .allWeights, merges: Bool = false,
    teacher: String? = nil
  ) throws -> JSON? {
    let answer = output + ".json"
    if FileManager.default.fileExists(atPath: output) {
      return FileManager.default.contents(atPath: answer).flatMap { try? JSON(parsing: Array($0)) }
    }
    guard let training = options.training else { throw StudyError.needsText(step: step.name) }
    let isStudent = if case .student = start { true } else { false }
    let record = try session.train(
      input, to: output,
      ModelTrainingOptions(
        text: training.text, start: start, adaptation: adaptation, merges: merges, teacher: teacher,
        loss: teacher == nil ? TokenLoss() : StudyTraining.distillation,
        settings: TrainingSettings(
          steps: training.steps, rate: isStudent ? StudyTraining.studentRate : StudyTraining.adapterRate,
          batch: training.batch, context: training.context, seed: entry.training?.seed ?? 1),
        resumes: FileManager.default.fileExists(atPath: output + ".training"),
        running: running))
    let json = JSON.object(record.members)
    try session.write(json.text(pretty: true) + "\n", to: answer)
    return json
  }
}
