// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import Profiles
import Testing

@Suite struct ModelCatalogueTests {
  private let catalogue: ModelCatalogue

  init() throws { catalogue = try ModelCatalogue.builtIn() }

  @Test func `every entry is described with its published parameter count`() throws {
    #expect(catalogue.entries.count >= 482)
    for entry in catalogue.entries {
      let description = try catalogue.describe(entry)
      #expect(description.parametersTotal == entry.counts.total, "\(entry.identifier)")
      if let active = entry.counts.active {
        #expect(description.parametersActive == active, "\(entry.identifier)")
      }
    }
  }

  @Test func `every model type of the catalogue has rules of its own`() throws {
    for entry in catalogue.entries {
      let notes = try catalogue.describe(entry).notes
      let isUnknown = notes.contains { if case .unknownModelType = $0 { true } else { false } }
      #expect(!isUnknown, "\(entry.identifier)")
    }
  }

  @Test(arguments: [
    ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"), ("tinyllama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
    ("LLAMA_3.1_8b", "meta-llama/Llama-3.1-8B"), ("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B"),
    ("llama-3-8b", "meta-llama/Meta-Llama-3-8B"), ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M"),
  ])
  func `a loosely spelt name finds the model`(name: String, identifier: String) {
    guard case .found(let entry) = catalogue.find(name) else {
      Issue.record("\(name): \(catalogue.find(name))")
      return
    }
    #expect(entry.identifier == identifier || entry.aliases.contains(identifier))
  }

  @Test(arguments: [
    ("tinylama-1.1b-chat-v1.0", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
    ("tinylama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"), ("deepsek-v3", "deepseek-ai/DeepSeek-V3"),
    ("quen2.5-0.5b", "Qwen/Qwen2.5-0.5B"), ("lama-3-8b", "meta-llama/Meta-Llama-3-8B"),
  ])
  func `a misspelt name gets suggestions`(name: String, identifier: String) {
    guard case .none(let suggestions) = catalogue.find(name) else {
      Issue.record("found something")
      return
    }
    #expect(suggestions.contains { $0.identifier == identifier || $0.aliases.contains(identifier) })
    #expect(suggestions.count <= 5)
  }

  @Test func `a name of several models is ambiguous`() {
    guard case .ambiguous(let entries) = catalogue.find("llama") else {
      Issue.record("not ambiguous")
      return
    }
    #expect(entries.count > 1)
  }

  @Test func `a name like nothing has no suggestions`() {
    guard case .none(let suggestions) = catalogue.find("zzzzqqqqxxxx") else {
      Issue.record("found something")
      return
    }
    #expect(suggestions.isEmpty)
  }

  @Test func `an entry of a person's own folder is found and replaces the built-in one`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("models"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = """
      {"family": "own", "models": [
        {"id": "me/my-tiny", "name": "My tiny", "config": {"model_type": "llama", "hidden_size": 64,
          "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 256}},
        {"id": "Qwen/Qwen2.5-7B", "name": "Mine", "config": {"model_type": "llama"}}]}
      """
    try Data(text.utf8).write(to: folder.appendingPathComponent("models/own.json"))
    let extended = try ModelCatalogue.builtIn(extraDirectories: ["/nowhere/at/all", folder.path])
    let own = try extended.entry(named: "my tiny")
    #expect(own.licence == "unknown")
    #expect(try extended.describe(own).parametersTotal == 2 * 256 * 64 + 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 128))
    let replaced = try extended.entry(named: "Qwen/Qwen2.5-7B")
    #expect(replaced.name == "Mine")
    #expect(throws: ConfigurationError.self) { try extended.describe(replaced) }
  }

  @Test(arguments: [
    ("{", "profile_invalid_json"), ("{}", "profile_invalid"), (#"{"models": [{"config": {}}]}"#, "profile_invalid"),
    (#"{"models": [{"id": "x", "config": 3}]}"#, "profile_invalid"),
  ])
  func `a damaged catalogue file is refused by name`(text: String, kind: String) {
    do throws(ProfileError) {
      _ = try ModelCatalogue.entries(inFile: "bad.json", bytes: Array(text.utf8))
      Issue.record("accepted \(text)")
    } catch {
      #expect(error.kind == kind)
      #expect(error.message.contains("'bad.json'"))
    }
  }

  @Test func `an unknown name is explained with what was meant`() {
    do throws(ProfileError) {
      _ = try catalogue.entry(named: "tinylama")
      Issue.record("found")
    } catch {
      #expect(error.message == "The catalogue has no model 'tinylama'.")
      #expect(error.remedy.contains("TinyLlama/TinyLlama-1.1B-Chat-v1.0"))
    }
  }
}
