// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import CostModel
package import Evidence
internal import Foundation
internal import Hardware
internal import JSONText
internal import LanguageModel
internal import ModelFiles
package import Quantities
internal import Reports
internal import Runner

/// What a study makes its variants with and judges them by.
package struct StudyOptions: Sendable {
  /// The folder of its files; a study that was stopped goes on there.
  package var folder: String
  /// A file, or the text itself.
  package var text: String
  /// Nil takes the first half of the text, and judges by the second.
  package var calibration: String?
  package var tasks: String?
  /// Windows and questions at most.
  package var limit: Int?
  /// Variants besides the usual ones.
  package var variants: [CompressionVariant]
  /// What the report says it was made by.
  package var command: String
  package var running: MeasuringOptions

  package init(
    folder: String, text: String, calibration: String? = nil, tasks: String? = nil, limit: Int? = nil,
    variants: [CompressionVariant] = [], command: String, running: MeasuringOptions
  ) {
    self.folder = folder
    self.text = text
    self.calibration = calibration
    self.tasks = tasks
    self.limit = limit
    self.variants = variants
    self.command = command
    self.running = running
  }
}

/// Why a study does not start or go on.
package enum StudyError: ExplainedError, Equatable {
  case otherSettings(folder: String)
  case notWritable(folder: String)
  case interrupted(folder: String, done: Int, of: Int)

  package var kind: String {
    switch self {
    case .otherSettings: "study_differs"
    case .notWritable: "folder_not_writable"
    case .interrupted: "interrupted"
    }
  }

  package var message: String {
    switch self {
    case .otherSettings(let folder): "'\(folder)' holds a study of another model, text or limit."
    case .notWritable(let folder): "The folder '\(folder)' cannot be written."
    case .interrupted(let folder, let done, let count):
      "The study in '\(folder)' was interrupted with \(done) of \(count) variants done."
    }
  }

  package var remedy: String {
    switch self {
    case .otherSettings: "Give another --out folder, or the same model and options."
    case .notWritable: "Check its permissions, or give another --out folder."
    case .interrupted: "Run the same command again: it goes on where it stopped."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .otherSettings: .badInput
    case .notWritable, .interrupted: .failure
    }
  }
}

extension PlanningSession {
  /// Makes, measures and judges variants of a file's model, and writes a report of them.
  ///
  /// Everything found is written to the folder before the next step begins, so that a study that was stopped anywhere
  /// goes on there.
  package func study(_ path: String, _ options: StudyOptions) throws -> Study {
    var keeper = try StudyKeeper(self, path, options)
    for index in keeper.study.entries.indices {
      while !keeper.study.entries[index].isDone {
        if options.running.isCancelled() { throw keeper.interruption }
        do {
          try keeper.advance(index)
        } catch let error as any ExplainedError where error.kind != "interrupted" && error.kind != "disk_full" {
          keeper.study.entries[index].refusal = error.message
        }
        if options.running.isCancelled() { throw keeper.interruption }
        try keeper.save()
      }
    }
    try keeper.writeReports()
    return keeper.study
  }
}

/// A study with its folder.
private struct StudyKeeper {
  var study: Study
  private let session: PlanningSession
  private let path: String
  private let options: StudyOptions
  private let calibration: String
  private let judging: String

  init(_ session: PlanningSession, _ path: String, _ options: StudyOptions) throws {
    self.session = session
    self.path = path
    self.options = options
    let text = try PlanningSession.givenText(options.text)
    if let given = options.calibration {
      (calibration, judging) = (try PlanningSession.givenText(given), text)
    } else {
      let middle = text.index(text.startIndex, offsetBy: text.count / 2)
      (calibration, judging) = (String(text[..<middle]), String(text[middle...]))
    }
    let file = try session.file(of: .path(path))
    let description = file.description
    let settings: JSON = [
      "source": .string(path), "inventoryDigest": .string(description.inventory.digest),
      "textBytes": .integer(Int64(text.utf8.count)), "calibrationBytes": .integer(Int64(calibration.utf8.count)),
      "tasks": options.tasks.map { .string($0) } ?? .null, "limit": options.limit.map { .integer(Int64($0)) } ?? .null,
    ]
    do {
      try FileManager.default.createDirectory(atPath: options.folder + "/models", withIntermediateDirectories: true)
    } catch { throw StudyError.notWritable(folder: options.folder) }
    study = Study(
      model: description.name, machine: try session.profile(of: .here).name, date: Self.now(), settings: settings,
      entries: StudyPlan.entries(for: description, besides: options.variants))
    if let kept = try Self.kept(in: options.folder) {
      guard kept.settings == settings else { throw StudyError.otherSettings(folder: options.folder) }
      // Variants that were added since come behind; what is known stays.
      let known = Dictionary(kept.entries.map { ($0.file, $0) }, uniquingKeysWith: { first, _ in first })
      study.entries = study.entries.map { known[$0.file] ?? $0 }
      study.date = kept.date
    }
  }

  private static let probes = 100

  var interruption: StudyError {
    .interrupted(folder: options.folder, done: study.entries.filter(\.isDone).count, of: study.entries.count)
  }

  private static func now() -> String { ISO8601DateFormatter().string(from: Date()) }

  private static func kept(in folder: String) throws -> Study? {
    guard let data = FileManager.default.contents(atPath: folder + "/study.json"),
      let json = try? JSON(parsing: Array(data))
    else { return nil }
    return Study(json: json)
  }

  /// The file appears whole: it is written beside its name first.
  func save() throws {
    try session.write(JSON.object(study.members).text(pretty: true) + "\n", to: options.folder + "/study.json")
  }

  func writeReports() throws {
    let document = StudyReport(study: study, command: options.command).document
    try session.write(document.markdown(), to: options.folder + "/study.md")
    try session.write(document.html(), to: options.folder + "/study.html")
  }

  /// One step: make, then measure, then judge.
  mutating func advance(_ index: Int) throws {
    let entry = study.entries[index]
    let file = entry.file.isEmpty ? path : "\(options.folder)/models/\(entry.file)"
    var running = options.running
    let progress = options.running.progress
    running.progress = { progress("\(entry.label): \($0)") }
    if entry.fileBytes == nil {
      try make(index, file, running)
    } else if entry.measurement == nil {
      let context = min(256, session.contextLength(of: path))
      let workload = Workload(
        promptTokens: context / 2, generatedTokens: context / 4, contextTokens: context)
      study.entries[index].measurement = try session.measure(.path(file), nil, workload, running).json
    } else {
      let judged = try session.evaluate(
        file, reference: path,
        EvaluatingOptions(
          text: judging, tasks: options.tasks, limit: options.limit, probes: Self.probes, running: running))
      guard judged.isComplete else { throw interruption }
      study.entries[index].evaluation = .object(judged.members)
    }
  }

  private mutating func make(_ index: Int, _ file: String, _ running: MeasuringOptions) throws {
    let entry = study.entries[index]
    if !entry.file.isEmpty, !FileManager.default.fileExists(atPath: file) {
      let variant = try CompressionVariant(parsing: entry.variant)
      let compressing = CompressingOptions(
        calibration: entry.roundsToNearest ? nil : calibration, roundsToNearest: entry.roundsToNearest,
        running: running)
      _ = try session.compress(path, to: file, variant, compressing)
    }
    let inventory = try session.file(of: .path(file)).description.inventory
    study.entries[index].bitsPerWeight = inventory.bitsPerWeight
    study.entries[index].fileBytes = ByteCount(Self.size(of: file))
  }

  /// Of a file, or of all files of a folder.
  private static func size(of path: String) -> Int {
    func size(_ path: String) -> Int {
      ((try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? NSNumber)?.intValue ?? 0
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.isEmpty ? size(path) : names.reduce(0) { $0 + size("\(path)/\($1)") }
  }
}

extension PlanningSession {
  fileprivate func contextLength(of path: String) -> Int {
    (try? description(of: .path(path)).architecture.contextLength) ?? .max
  }
}

/// The variants of a study.
private enum StudyPlan {
  static func entries(for model: LanguageModelDescription, besides extra: [CompressionVariant]) -> [Study.Entry] {
    let group = largestGroup(model)
    let depth = max(1, model.architecture.layers.count / 4)
    let formats = ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"]
    var entries = [Study.Entry(label: "reference", variant: "original", file: "")]
    entries += formats.map { entry($0) }
    entries += [
      entry("awq4-g\(group)", label: "4 bits, groups of \(group), to the nearest", nearest: true),
      entry("awq4-g\(group)", label: "AWQ, 4 bits, groups of \(group)"),
      entry("gptq4-g\(group)", label: "GPTQ, 4 bits, groups of \(group)"),
      entry("nf4-dq", label: "NF4, doubly quantised"),
      entry("sparse-2:4", label: "2:4 by Wanda"), entry("sparse-0.5", label: "half of the weights by Wanda"),
      entry("svd-0.5", label: "half of the weights by whitened SVD"),
      entry("depth-\(depth)", label: "\(depth) layers removed"),
      entry("width-0.3", label: "three tenths of heads and channels removed"),
      entry("depth-\(depth)+awq4-g\(group)", label: "\(depth) layers removed, AWQ"),
      entry("depth-\(depth)+lora-16-merged", label: "\(depth) layers removed, LoRA"),
      entry("depth-\(depth)+lora-16-merged+awq4-g\(group)", label: "\(depth) layers removed, LoRA, AWQ"),
      entry("student:half", label: "student of half the layers, distilled"), entry("qlora-16", label: "QLoRA"),
    ]
    return entries + extra.map { entry($0.name) }
  }

  private static func entry(_ variant: String, label: String? = nil, nearest: Bool = false) -> Study.Entry {
    let stem = String((nearest ? variant + "-nearest" : variant).map { $0 == ":" ? "of" : String($0) }.joined())
    // What GGUF has no type for is a checkpoint's folder.
    let isFolder = variant.hasPrefix("nf4") || variant.hasPrefix("qlora")
    return Study.Entry(
      label: label ?? variant, variant: variant, file: isFolder ? stem : stem + ".gguf", roundsToNearest: nearest)
  }

  /// The largest usual group that divides the inputs of all matrices.
  private static func largestGroup(_ model: LanguageModelDescription) -> Int {
    let columns = model.inventory.tensors.filter(\.isLinearLayer).map { Int($0.columns) }
    return [128, 64, 32].first { group in columns.allSatisfy { $0 % group == 0 } } ?? 32
  }
}
