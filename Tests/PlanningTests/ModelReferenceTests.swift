// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Foundation
import LanguageModel
import Planning
import Profiles
import Quantities
import Testing

@Suite struct ModelReferenceTests {
  @Test(arguments: [
    ("tinyllama", ModelReference.catalogue("tinyllama")), ("hf:Qwen/Qwen3-8B", .hub("Qwen/Qwen3-8B")),
    ("model.gguf", .path("model.gguf")), ("./folder", .path("./folder")), ("/a/b", .path("/a/b")),
    ("../x", .path("../x")), ("config.json", .path("config.json")),
    ("weights.safetensors", .path("weights.safetensors")), ("Qwen/Qwen3-8B", .catalogue("Qwen/Qwen3-8B")),
    ("~/model.gguf", .path(NSHomeDirectory() + "/model.gguf")),
  ]) func `a model's text is a name, a path or a repository`(_ text: String, _ expected: ModelReference) {
    #expect(ModelReference(text) == expected)
  }

  private static let configuration = """
    {"model_type": "llama", "vocab_size": 512, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
     "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "float16", "tie_word_embeddings": true}
    """

  @Test func `a configuration file and the folder that holds it describe the same model`() throws {
    try Fixture.withSession { session, folder in
      let file = folder.appendingPathComponent("config.json")
      try Data(Self.configuration.utf8).write(to: file)
      let (one, other) = (
        try session.description(of: .path(file.path)), try session.description(of: .path(folder.path))
      )
      // Embedding; per layer: q and o 256², k and v 128 × 256, three of 512 × 256, two norms; the last norm.
      let layer = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256 + 2 * 256
      #expect(one.parametersTotal == 512 * 256 + 2 * layer + 256)
      #expect(other.parametersTotal == one.parametersTotal)
    }
  }

  @Test func `what is not there is refused by its path, and a name of none with suggestions`() throws {
    try Fixture.withSession { session, _ in
      #expect(throws: PlanningError.noSuchPath("/no/such/model.gguf")) {
        try session.description(of: .path("/no/such/model.gguf"))
      }
      let error = #expect(throws: ProfileError.self) { try session.description(of: .catalogue("tinylama-1.1b")) }
      #expect(error?.remedy.contains("TinyLlama") == true)
    }
  }

  @Test func `a measurement that would not fit is refused, and nothing is kept`() throws {
    try Fixture.withSession { session, folder in
      let file = folder.appendingPathComponent("config.json")
      try Data(Self.configuration.utf8).write(to: file)
      // 2³⁸ positions of 1 KiB: more memory than any machine has.
      let workload = Workload(promptTokens: 8, generatedTokens: 4, contextTokens: 1 << 38)
      let options = MeasuringOptions(mode: .full, samples: 1, toolVersion: "test")
      let error = #expect(throws: (any Error).self) {
        try session.measure(.path(file.path), nil, workload, options)
      }
      #expect((error as? any ExplainedError)?.kind == "does_not_fit")
      #expect((error as? any ExplainedError)?.exitCode == .nothingFits)
      #expect(try session.history(model: nil).isEmpty)
    }
  }

  @Test func `a measurement is kept as it was given, until it is forgotten`() throws {
    try Fixture.withSession { session, folder in
      let file = folder.appendingPathComponent("config.json")
      try Data(Self.configuration.utf8).write(to: file)
      let workload = Workload(promptTokens: 8, generatedTokens: 4, contextTokens: 32)
      let options = MeasuringOptions(mode: .full, samples: 1, threads: 1, kernels: "portable", toolVersion: "test")
      var measurement = try session.measure(.path(file.path), nil, workload, options)
      #expect(measurement.kernels == "portable")
      // What a meter showed in passing, where there is one, is for the screen alone.
      measurement.power = nil
      let kept = try session.history(model: nil)
      #expect(kept.map(\.measurement) == [measurement])
      #expect(try session.forget(try #require(kept.first?.number)))
      #expect(try session.history(model: nil).isEmpty)
    }
  }

  @Test func `data goes where XDG says, if it says an absolute path`() {
    #expect(DataFolders(environment: ["XDG_DATA_HOME": "/data", "HOME": "/home/x"]).root == "/data/anprobe")
    for value in ["", "relative", "./here"] {
      let folders = DataFolders(environment: ["XDG_DATA_HOME": value, "HOME": "/home/x"])
      #expect(folders.root == "/home/x/.local/share/anprobe")
      #expect(folders.archive == "/home/x/.local/share/anprobe/anprobe.sqlite")
    }
  }
}
