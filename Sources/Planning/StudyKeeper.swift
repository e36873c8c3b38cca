// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Evidence
internal import Foundation
internal import Hardware
internal import JSONText
internal import LanguageModel
internal import ModelFiles
internal import Quantities
internal import Reports
internal import Runner

/// A study with its folder.
struct StudyKeeper {
  var study: Study
  /// The places of the entries to work on.
  private(set) var chosen: [Int] = []
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
      // A file keeps its name in what is made with it.
      _ = try PlanningSession.givenText(given)
      (calibration, judging) = (given, text)
    } else {
      let middle = text.index(text.startIndex, offsetBy: text.count / 2)
      (calibration, judging) = (String(text[..<middle]), String(text[middle...]))
    }
    let description = try session.file(of: .path(path)).description
    do {
      try FileManager.default.createDirectory(atPath: options.folder + "/models", withIntermediateDirectories: true)
    } catch { throw StudyError.notWritable(folder: options.folder) }
    study = Study(
      model: description.name, machine: try session.profile(of: .here).name, date: Self.now(),
      settings: try Self.settings(description, path, options),
      entries: try StudyPlan.entries(for: description, besides: options.variants, options.training))
    try takeUp()
    if let note = options.note { study.note = note }
    try choose()
  }

  /// What entries depend on; the files' places do not matter.
  private static func settings(
    _ model: LanguageModelDescription, _ path: String, _ options: StudyOptions
  ) throws -> JSON {
    func bytes(_ text: String?) throws -> JSON {
      try text.map { .integer(Int64(try PlanningSession.givenText($0).utf8.count)) } ?? .null
    }
    func name(_ text: String?) -> JSON {
      guard let text, FileManager.default.fileExists(atPath: text) else { return .null }
      return .string(text.split(separator: "/").last.map(String.init) ?? text)
    }
    var members: [JSON.Member] = [
      .init("source", name(path)), .init("inventoryDigest", .string(model.inventory.digest)),
      .init("text", name(options.text)), .init("textBytes", try bytes(options.text)),
      .init("calibration", name(options.calibration)), .init("calibrationBytes", try bytes(options.calibration)),
      .init("tasks", options.tasks.map { .string($0) } ?? .null),
      .init("limit", options.limit.map { .integer(Int64($0)) } ?? .null),
    ]
    if let training = options.training {
      members.append(
        .init(
          "training",
          [
            "text": name(training.text), "textBytes": try bytes(training.text),
            "steps": .integer(Int64(training.steps)),
          ]))
    }
    return .object(members)
  }

  /// Takes what the folder knows already. Refusals are tried again: their reason may be gone.
  private mutating func takeUp() throws {
    guard let data = FileManager.default.contents(atPath: options.folder + "/study.json"),
      let json = try? JSON(parsing: Array(data)), let kept = Study(json: json)
    else { return }
    func untrained(_ settings: JSON) -> [JSON.Member] { (settings.members ?? []).filter { $0.key != "training" } }
    let isSame =
      kept.settings["training"] == nil || study.settings["training"] == nil
      ? untrained(kept.settings) == untrained(study.settings) : kept.settings == study.settings
    guard isSame else { throw StudyError.otherSettings(folder: options.folder) }
    if study.settings["training"] == nil { study.settings = kept.settings }
    // Variants that were added since come behind; what is known stays.
    let known = Dictionary(kept.entries.map { ($0.label, $0) }, uniquingKeysWith: { first, _ in first })
    study.entries = study.entries.map { known[$0.label] ?? $0 }
    let planned = Set(study.entries.map(\.label))
    study.entries += kept.entries.filter { !planned.contains($0.label) }
    for index in study.entries.indices { study.entries[index].refusal = nil }
    (study.date, study.note) = (kept.date, kept.note)
  }

  /// Finds the entries to work on, and forgets of them what is to be found anew.
  private mutating func choose() throws {
    let names = try options.only.map { name in try (name, matches: places(of: name)) }
    chosen = names.isEmpty ? Array(study.entries.indices) : Array(Set(names.flatMap(\.matches))).sorted()
    guard let again = options.again else { return }
    for index in chosen { forget(again, index) }
    try save()
  }

  private func places(of name: String) throws -> [Int] {
    let wanted = (try? CompressionVariant(parsing: name).name) ?? name
    let places = study.entries.indices.filter { index in
      let entry = study.entries[index]
      let own = (try? CompressionVariant(parsing: entry.variant).name) ?? entry.variant
      // What is made of a variant is made anew with it.
      return own == wanted || entry.label == name || options.again == .make && own.hasPrefix(wanted + "+")
    }
    guard !places.isEmpty else {
      throw StudyError.noSuchVariant(name, known: study.entries.map(\.variant))
    }
    return places
  }

  private mutating func forget(_ stage: StudyStage, _ index: Int) {
    switch stage {
    case .make:
      let entry = study.entries[index]
      for name in [entry.file, entry.adapter ?? ""] where !name.isEmpty {
        for suffix in ["", ".json", ".training"] {
          try? FileManager.default.removeItem(atPath: "\(options.folder)/models/\(name)\(suffix)")
        }
      }
      study.entries[index].fileBytes = nil
      study.entries[index].training?.record = nil
      (study.entries[index].measurement, study.entries[index].evaluation) = (nil, nil)
    case .measure: study.entries[index].measurement = nil
    case .judge: study.entries[index].evaluation = nil
    }
  }

  private static let probes = 100

  var interruption: StudyError {
    .interrupted(folder: options.folder, done: study.entries.filter(\.isDone).count, of: study.entries.count)
  }

  private static func now() -> String { ISO8601DateFormatter().string(from: Date()) }

  /// The file appears whole: it is written beside its name first.
  func save() throws {
    try session.write(JSON.object(study.members).text(pretty: true) + "\n", to: options.folder + "/study.json")
  }

  func writeReports() throws {
    try save()
    let document = StudyReport(study: study, command: options.command).document
    try session.write(document.markdown(), to: options.folder + "/study.md")
    try session.write(document.html(), to: options.folder + "/study.html")
  }

  // MARK: One step

  /// Makes, then measures, then judges.
  mutating func advance(_ index: Int) throws {
    let entry = study.entries[index]
    var running = options.running
    let progress = options.running.progress
    running.progress = { progress("\(entry.label): \($0)") }
    let maker = StudyMaker(
      session: session, source: path, folder: options.folder + "/models", options: options, calibration: calibration,
      running: running)
    let made = try maker.make(entry)
    running.adapters = made.adapter.map { [AdapterReference(path: $0)] } ?? []
    if entry.fileBytes == nil {
      try describe(index, made)
    } else if entry.measurement == nil {
      try measure(index, made, running)
    } else {
      var judging = EvaluatingOptions(
        text: judging, tasks: options.tasks, limit: options.limit, probes: Self.probes, running: running)
      // It has a row of its own.
      judging.asksReference = false
      let judged = try session.evaluate(made.file, reference: path, judging)
      guard judged.isComplete else { throw interruption }
      study.entries[index].evaluation = .object(judged.members)
    }
  }

  private mutating func describe(_ index: Int, _ made: StudyMaker.Made) throws {
    study.entries[index].bitsPerWeight = try session.file(of: .path(made.file)).description.inventory.bitsPerWeight
    study.entries[index].training?.record = made.record
    let bytes = [made.file, made.adapter].compactMap { $0 }.reduce(0) { $0 + Self.size(of: $1) }
    study.entries[index].fileBytes = ByteCount(bytes)
  }

  private mutating func measure(_ index: Int, _ made: StudyMaker.Made, _ running: MeasuringOptions) throws {
    let longest = (try? session.description(of: .path(path)).architecture.contextLength) ?? .max
    let context = min(256, longest)
    let workload = Workload(promptTokens: context / 2, generatedTokens: context / 4, contextTokens: context)
    let measured = try session.measure(.path(made.file), nil, workload, running)
    guard measured.isComplete else { throw interruption }
    study.entries[index].measurement = measured.json
    let request = PlanningRequest(
      threads: ThreadWish(threads: measured.threads, batch: measured.threadsBatch), workload: workload)
    let estimate = try? session.estimator(.path(made.file), request).estimate(.original)
    study.entries[index].estimatedEnergy = estimate?.energyPerToken.json
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
