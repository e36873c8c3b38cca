// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

/// The built program, run as a person runs it, with a data folder of its own.
struct Program {
  struct Outcome {
    var exitCode: Int32
    /// Ended by a signal rather than by itself.
    var isCrash: Bool
    var output: String
    var errors: String

    /// Standard output as one JSON value.
    func json() throws -> JSON { try JSON(parsing: output) }
  }

  let dataHome: URL

  /// Beside the test bundle, where the build puts every product.
  static var executable: URL {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("anprobe")
  }

  /// Runs the body with a program whose data folder is new and empty, and removes the folder.
  static func with<Result>(_ body: (Program) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(Program(dataHome: folder))
  }

  static func run(_ arguments: [String]) throws -> Outcome { try with { try $0.run(arguments) } }
  static func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

  func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

  func run(_ arguments: [String]) throws -> Outcome {
    // Files, not pipes: an answer of any length fits.
    let names = ["output", "errors"].map { dataHome.appendingPathComponent("\($0)-\(UUID().uuidString)") }
    let end = try start(arguments, output: .file(path: names[0].path), errors: .file(path: names[1].path)).wait()
    let texts = try names.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    switch end {
    case .exit(let code): return Outcome(exitCode: code, isCrash: false, output: texts[0], errors: texts[1])
    case .signal(let number): return Outcome(exitCode: number, isCrash: true, output: texts[0], errors: texts[1])
    }
  }

  /// Starts the program with nothing on standard input.
  func start(
    _ arguments: [String], output: ChildProcess.Output = .nowhere, errors: ChildProcess.Output = .nowhere
  ) throws -> ChildProcess {
    try ChildProcess(
      Self.executable.path, arguments, environment: ["XDG_DATA_HOME": dataHome.path], output: output, errors: errors)
  }

  func write(_ text: String, to name: String) throws -> String {
    let file = dataHome.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    return file.path
  }

  /// A llama of 256 wide layers: loads and runs in an instant.
  func writeSmallModel() throws -> String {
    try write(
      """
      {"model_type": "llama", "vocab_size": 512, "hidden_size": 256, "intermediate_size": 512,
       "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "float16",
       "max_position_embeddings": 512, "tie_word_embeddings": false}
      """, to: "config.json")
  }
}

/// The trained model of 260,032 weights beside another target's tests.
let storiesFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("InferenceTests/Models/stories260K-f32.gguf").path

/// A model of another vocabulary.
let booksFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("RunnerTests/Fixtures/books-7m-f16.gguf").path

/// The member under a path such as `model.name`.
func member(_ json: JSON, _ path: String) -> JSON? {
  path.split(separator: ".").reduce(json) { $0?[String($1)] }
}
