// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Testing

/// The keys that every answer is promised to have.
@Suite struct AnswerTests {
  static let figures = ["value", "basis"]
  static let estimateKeys = [
    "model.name", "model.parametersTotal", "model.parametersActive", "variant", "weightsBytes", "bitsPerWeight",
    "memory.weightsBytes", "memory.kvCacheBytes", "memory.computeBytes", "memory.overheadBytes", "memory.totalBytes",
    "decodeTokensPerSecond", "prefillTokensPerSecond", "timeToFirstTokenSeconds", "energyJoulesPerToken", "quality",
    "bound", "fits", "verdict", "distribution.sentence", "distribution.layers", "distribution.places",
  ]

  struct Answer: CustomTestStringConvertible {
    var arguments: [String]
    var keys: [String]
    /// The list whose first entry has `rowKeys`.
    var list: String?
    var rowKeys: [String] = []
    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let answers: [Answer] = [
    Answer(
      arguments: ["probe"],
      keys: ["architecture", "vendor", "model", "packageCount", "dieCount", "coreCount", "processingUnitCount"].map {
        "profile.processor.\($0)"
      }
        + ["totalBytes", "availableBytes", "limitBytes", "limitSource", "usableBytes", "numaNodes"].map {
          "profile.memory.\($0)"
        } + ["accelerators", "powerSensors", "container", "virtualisation", "calibration"].map { "profile.\($0)" },
      list: "profile.processor.instructionSets", rowKeys: ["name", "present", "worthUsing", "reason"]),
    Answer(
      arguments: ["probe"], keys: ["profile.processor.coreKinds"], list: "profile.processor.caches",
      rowKeys: ["level", "kind", "sizeBytes", "sharedByProcessingUnits"]),
    Answer(
      arguments: ["estimate", "tinyllama-1.1b", "--variant", "q4_k_m", "--no-calibrate"], keys: estimateKeys,
      list: "terms", rowKeys: ["label", "formula", "basis"]),
    Answer(
      arguments: [
        "estimate", "llama-3-70b", "--variant", "q4_k_m", "--gpu-layers", "41", "--machine",
        "RTX 3090, host-memory=64GB, host-bandwidth=50GB/s, host-cores=8",
      ], keys: estimateKeys, list: "distribution.places",
      rowKeys: ["kind", "count", "layers", "neededBytes", "usableBytes.value", "verdict"]),
    Answer(
      arguments: ["fits", "tinyllama", "--no-calibrate"], keys: ["machine.name", "workload.contextTokens"],
      list: "rows", rowKeys: estimateKeys),
    Answer(
      arguments: ["recommend", "tinyllama-1.1b", "--machine", "RTX 4090"],
      keys: ["choice.variant", "choice.memory.totalBytes", "reasons", "ruledOut", "deploy"], list: "runnersUp",
      rowKeys: estimateKeys),
    Answer(
      arguments: ["recommend", "llama-3-8b", "--machine", "kind=gpu,memory=8GB,bandwidth=500GB/s"], keys: ["choice"],
      list: "ruledOut", rowKeys: ["variant", "reason"]),
    Answer(
      arguments: ["recommend", "llama-3-8b", "--machine", "RTX 4090"], keys: ["choice"], list: "deploy",
      rowKeys: ["command"]),
    Answer(
      arguments: ["models", "gemma"], keys: [], list: "models",
      rowKeys: ["identifier", "name", "licence", "release", "parametersTotal"]),
    Answer(
      arguments: ["variants"], keys: [], list: "variants",
      rowKeys: ["variant", "bitsPerWeight", "runsHere", "obstacle", "quality", "howToObtain"]),
    Answer(
      arguments: ["machines"], keys: [], list: "machines", rowKeys: ["name", "memoryBytes", "bandwidthBytesPerSecond"]),
    Answer(arguments: ["history"], keys: ["measurements"]),
    Answer(arguments: ["tokenize", storiesFile, "--text", "Once upon a time"], keys: ["tokens"]),
    Answer(
      arguments: ["generate", storiesFile, "--prompt", "", "--temperature", "0", "--tokens", "8"],
      keys: ["tokens", "text"]),
  ]

  @Test(arguments: answers) func `an answer carries the promised keys`(_ answer: Answer) throws {
    let outcome = try Program.run(answer.arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(outcome.errors)")
    let json = try outcome.json()
    #expect(json["schemaVersion"]?.intValue == 1)
    #expect(json["command"]?.stringValue == answer.arguments[0])
    #expect(
      try json["anprobeVersion"]?.stringValue == Program.run("--version").output.trimmingCharacters(in: .newlines))
    for key in answer.keys { #expect(member(json, key) != nil, "\(key)") }
    guard let list = answer.list else { return }
    let row = try #require(member(json, list)?.arrayValue?.first)
    for key in answer.rowKeys { #expect(member(row, key) != nil, "\(list): \(key)") }
  }

  @Test func `a figure says its value, its interval and how it is known`() throws {
    let json = try Program.run(
      "estimate", "llama-3-8b", "--variant", "q4_k_m", "--machine", "RTX 4090", "--json"
    ).json()
    for key in ["decodeTokensPerSecond", "prefillTokensPerSecond", "timeToFirstTokenSeconds", "energyJoulesPerToken"] {
      let figure = try #require(json[key])
      let value = try #require(figure["value"]?.doubleValue, "\(key)")
      #expect(try #require(figure["low"]?.doubleValue) <= value)
      #expect(try #require(figure["high"]?.doubleValue) >= value)
      #expect(try ["modelled", "published"].contains(#require(figure["basis"]?.stringValue)))
      #expect(value > 0, "\(key)")
    }
  }

  @Test func `speeds on a machine whose kernels were not measured are null with a reason, never zero`() throws {
    let json = try Program.run("estimate", "tinyllama-1.1b", "--no-calibrate", "--engine", "anprobe", "--json").json()
    for key in ["decodeTokensPerSecond", "prefillTokensPerSecond", "timeToFirstTokenSeconds", "energyJoulesPerToken"] {
      #expect(json[key]?["value"] == .null, "\(key)")
      #expect(json[key]?["basis"]?.stringValue == "unknown")
      #expect(json[key]?["reason"]?.stringValue?.contains("--calibrate") == true)
    }
  }

  @Test func `the parts of the memory add up to its total`() throws {
    let json = try Program.run(
      "estimate", "qwen2.5-7b", "--variant", "q4_k_m", "--machine", "RTX 4090", "--json"
    ).json()
    let memory = try #require(json["memory"])
    let parts = ["weightsBytes", "kvCacheBytes", "computeBytes", "overheadBytes"]
    let sum = try parts.reduce(0) { $0 + (try #require(memory[$1]?["value"]?.intValue, "\($1)")) }
    #expect(memory["totalBytes"]?["value"]?.intValue == sum)
  }

  @Test func `--json may stand before the subcommand`() throws {
    let before = try Program.run("--json", "variants")
    let after = try Program.run("variants", "--json")
    #expect(before.exitCode == 0)
    #expect(before.output == after.output)
    #expect(try before.json()["command"]?.stringValue == "variants")
  }

  @Test func `a student stands for its teacher in what fits and in what is recommended`() throws {
    let machine = ["--machine", "RTX 4090", "--json"]
    func row(_ model: String, _ variant: String) throws -> JSON {
      let answer = try Program.run(["fits", model, "--variant", variant] + machine).json()
      return try #require(answer["rows"]?.arrayValue?.first)
    }
    let name = "student:TinyLlama-1.1B+f16"
    let (student, alone) = (try row("llama-3-8b", name), try row("tinyllama-1.1b", "f16"))
    #expect(student["variant"]?.stringValue == name)
    let bytes = [student, alone].map { $0["memory"]?["totalBytes"]?["value"]?.doubleValue }
    #expect(bytes[0] != nil && bytes[0] == bytes[1])
    let advice = try Program.run(["recommend", "llama-3-8b", "--variant", name] + machine).json()
    #expect(advice["choice"]?["variant"]?.stringValue == name)
  }

  /// QLoRA (arXiv 2305.14314) trains 33 billion weights on 24 GB; in full, sixteen bytes a weight leave room for
  /// less than one and a half.
  @Test func `what can be trained here is ranked by size, and agrees with the estimate of each model`() throws {
    let machine = ["--machine", "RTX 4090", "--engine", "transformers", "--checkpointing", "--json"]
    let full = try Program.run(["fits", "llama", "--train", "full"] + machine).json()
    let thin = try Program.run(["fits", "llama", "--train", "qlora-16"] + machine).json()
    func fitting(_ answer: JSON) -> [JSON] {
      (answer["rows"]?.arrayValue ?? []).filter { $0["verdict"]?.stringValue != "no" }
    }
    let sizes = fitting(thin).compactMap { $0["parametersTotal"]?.intValue }
    #expect(sizes == sizes.sorted(by: >) && sizes.contains { $0 > 8_000_000_000 })
    #expect(fitting(full).count < sizes.count)
    #expect(fitting(full).allSatisfy { $0["parametersTotal"]?.intValue ?? 0 < 1_500_000_000 })
    let largest = try #require(fitting(thin).first)
    let name = try #require(largest["identifier"]?.stringValue)
    let alone = try Program.run(["estimate", name, "--train", "qlora-16"] + machine).json()
    #expect(alone["training"]?["totalBytes"] == largest["totalBytes"])
    let none = try Program.run(["fits", "llama-3-8b", "--train", "full"] + machine)
    #expect(none.exitCode == 3)
  }

  @Test func `what fits lists one row per model, or all variants with --all`() throws {
    let arguments = ["fits", "tinyllama", "--machine", "RTX 4090", "--json"]
    let best = try #require(try Program.run(arguments).json()["rows"]?.arrayValue)
    let all = try #require(try Program.run(arguments + ["--all"]).json()["rows"]?.arrayValue)
    #expect(best.count == 1)
    #expect(all.count > 10)
    #expect(all.filter { $0["isBest"]?.boolValue == true }.count == 1)
    #expect(Set(all.compactMap { $0["variant"]?.stringValue }).count == all.count)
  }
}
