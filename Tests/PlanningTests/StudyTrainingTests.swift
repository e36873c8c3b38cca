// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Foundation
import JSONText
import ModelFiles
import Planning
import Quantities
import Synchronization
import Testing

/// Studies whose variants are the result of training.
@Suite struct StudyTrainingTests {
  /// What a study said of its progress, and whether it is to stop.
  private final class Watch: Sendable {
    private let lines = Mutex<[String]>([])
    let stopsAt: String?

    init(stopsAt: String? = nil) { self.stopsAt = stopsAt }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func said(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
    var isCancelled: Bool { stopsAt.map(said) ?? false }
  }

  private static let (steps, batch, context) = (6, 1, 64)
  private static let trained = [
    "depth-1+lora-16-merged", "depth-1+lora-16-merged+awq4-g32", "lora-16-merged", "qlora-16", "student:half",
  ]

  private func run(
    _ session: PlanningSession, _ folder: String, only: [String], again: StudyStage? = nil, samples: Int = 1,
    _ watch: Watch = Watch()
  ) throws -> Study {
    var options = StudyOptions(
      folder: folder, text: AdapterTrainingTests.text + AdapterTrainingTests.text, limit: 1,
      training: StudyTraining(
        text: AdapterTrainingTests.text + AdapterTrainingTests.text, steps: Self.steps, seeds: 1, batch: Self.batch,
        context: Self.context), command: "study",
      running: MeasuringOptions(
        samples: samples, threads: 1, toolVersion: "test", progress: { watch.add($0) },
        isCancelled: { watch.isCancelled }))
    (options.only, options.again) = (only, again)
    return try session.study(AdapterTrainingTests.story, options)
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test func `variants that need training are trained, each from the file of the steps before it`() throws {
    try Fixture.withSession { session, folder in
      let path = folder.path + "/study"
      let study = try run(session, path, only: Self.trained)
      let entries = study.entries.filter { $0.training != nil }
      #expect(entries.count == Self.trained.count + 1)
      for entry in entries {
        #expect(entry.refusal == nil && entry.isDone, "\(entry.label)")
        #expect(entry.training?.record?["steps"]?.intValue == Self.steps, "\(entry.label)")
        #expect(entry.training?.record?["tokens"]?.intValue == Self.steps * Self.batch * Self.context, "\(entry.label)")
        #expect(entry.training?.record?["seed"]?.intValue == 1, "\(entry.label)")
        #expect(entry.perplexity != nil && entry.rate("decode") != nil, "\(entry.label)")
      }
      let models = path + "/models/"
      func variant(_ name: String) throws -> String? {
        try ModelFile.open(models + name).metadata?.string(Provenance.variantKey)
      }
      #expect(try variant("depth-1+lora-16-merged.gguf") == "depth-1+lora-16-merged")
      #expect(try variant("depth-1+lora-16-merged+awq4-g32.gguf") == "depth-1+lora-16-merged+awq4-g32")
      // The adapter lies beside its base, and both count.
      let adapted = try #require(entries.first { $0.variant == "qlora-16" })
      #expect(adapted.adapter == "nf4-dq+lora-16-adapter" && adapted.file == "nf4-dq")
      let adapter = try bytes(models + "nf4-dq+lora-16-adapter/adapter_model.safetensors").count
      #expect(Int(try #require(adapted.fileBytes).bytes) > adapter)
      // Both students begin with the same random weights and end with others.
      #expect(try bytes(models + "student-alone-s1.gguf") != bytes(models + "student-distilled-s1.gguf"))
      #expect(study.students?.pairs.count == 1)
      let page = try String(contentsOfFile: path + "/study.md", encoding: .utf8)
      #expect(page.contains("What was trained") && page.contains("Students trained alone"))
    }
  }

  @Test func `a study stopped in the middle of a training goes on from its steps, to the same bits`() throws {
    try Fixture.withSession { session, folder in
      let (path, whole) = (folder.path + "/study", folder.path + "/whole")
      let only = ["lora-16-merged"]
      let stopping = Watch(stopsAt: "step 3 of \(Self.steps)")
      #expect { try run(session, path, only: only, stopping) } throws: { error in
        (error as? StudyError)?.kind == "interrupted"
      }
      let file = "/models/lora-16-merged.gguf"
      #expect(FileManager.default.fileExists(atPath: path + file + ".training"))
      #expect(!FileManager.default.fileExists(atPath: path + file))
      let resuming = Watch()
      let study = try run(session, path, only: only, resuming)
      #expect(resuming.said("step 4 of \(Self.steps)") && !resuming.said("step 3 of \(Self.steps)"))
      let entry = try #require(study.entries.first { $0.variant == "lora-16-merged" })
      #expect(entry.isDone && entry.training?.record?["steps"]?.intValue == Self.steps)
      _ = try run(session, whole, only: only)
      #expect(try bytes(path + file) == bytes(whole + file))
    }
  }

  @Test func `a row alone is made, measured or judged anew`() throws {
    try Fixture.withSession { session, folder in
      let path = folder.path + "/study"
      let first = try run(session, path, only: ["q8_0"])
      func row(_ study: Study) throws -> Study.Entry {
        try #require(study.entries.first { $0.variant == "q8_0" })
      }
      let measured = try row(run(session, path, only: ["q8_0"], again: .measure, samples: 2))
      #expect(measured.measurement?["decode"]?["tokensPerSecond"]?["samples"]?.arrayValue?.count == 2)
      #expect(try measured.evaluation?.text() == row(first).evaluation?.text())
      // A file that is there is taken as it is; made anew it is the variant again.
      let file = path + "/models/q8_0.gguf"
      let made = try bytes(file)
      try FileManager.default.removeItem(atPath: file)
      let again = try row(run(session, path, only: ["q8_0"], again: .make))
      #expect(again.isDone)
      #expect(try bytes(file) == made)
      #expect(first.entries.count { $0.isDone } == 1)
      #expect { try run(session, path, only: ["no-such"]) } throws: { error in
        (error as? StudyError)?.kind == "variant_not_in_study"
      }
    }
  }
}
