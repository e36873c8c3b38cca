// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import LanguageModel
internal import ModelFiles
internal import Quantities

/// The Hugging Face hub, or a server that speaks like it, as a source of descriptions: configurations and headers are
/// read, never weights.
package struct Hub: Sendable {
  package let settings: HubSettings

  package init(settings: HubSettings = .environment) { self.settings = settings }

  /// Describes a model from its `config.json`, or from the header of a GGUF file.
  ///
  /// - Parameter reference: `OWNER/NAME[@REVISION][:FILE]`, with or without `hf:`.
  /// - Throws: `HubError`.
  package func description(
    of reference: String, progress: @escaping (HubProgress) -> Void = { _ in }
  ) throws(HubError) -> LanguageModelDescription {
    try model(reference, progress: progress).description
  }

  /// The description with the files' sizes and what reading them cost.
  ///
  /// Without FILE the `config.json` describes the model and safetensors headers count its parameters; a repository
  /// without `config.json` is described from its only GGUF file.
  package func model(
    _ text: String, progress: @escaping (HubProgress) -> Void = { _ in }
  ) throws(HubError) -> HubModel {
    let reference = try HubReference(text)
    let reader = HubReader(reference, try HubConnection(settings: settings, progress: progress))
    guard let file = reference.file else { return try reader.repository() }
    if file.hasSuffix(".gguf") { return try reader.gguf(file) }
    if file.hasSuffix(".json") { return try reader.configured(by: file, weights: []) }
    if file.hasSuffix(".safetensors") { return try reader.configured(by: HubReader.configuration, weights: [file]) }
    return try reader.gguf(try reader.onlyGGUF(matching: file))
  }
}

/// Reads one repository.
struct HubReader {
  let reference: HubReference
  let connection: HubConnection

  static let configuration = "config.json"
  /// The largest published configurations have a few hundred kilobytes.
  static let configurationLimit = 4 << 20
  /// The list of shards of a model with 90,000 tensors has 9 MB, a listing of 1,000 files less than 1 MB.
  static let listLimit = 16 << 20

  init(_ reference: HubReference, _ connection: HubConnection) {
    self.reference = reference
    self.connection = connection
  }

  /// A repository by itself.
  func repository() throws(HubError) -> HubModel {
    guard let configuration = try jsonIfAny(Self.configuration, limit: Self.configurationLimit) else {
      return try gguf(try onlyGGUF(matching: nil))
    }
    return model(try description(configuration, Self.configuration), try weightHeaders())
  }

  func configured(by file: String, weights: [String]) throws(HubError) -> HubModel {
    guard let configuration = try jsonIfAny(file, limit: Self.configurationLimit) else {
      throw .notFound(repository: reference.repository, revision: reference.revision, file: file)
    }
    return model(try description(configuration, file), try headers(weights))
  }

  private func description(_ configuration: JSON, _ file: String) throws(HubError) -> LanguageModelDescription {
    do throws(ConfigurationError) {
      return try LanguageModelDescription(
        configuration: configuration, name: reference.name, provenance: .hub(repository: reference.text),
        file: path(of: file))
    } catch {
      throw .configuration(error)
    }
  }

  private func model(_ description: LanguageModelDescription, _ headers: [SafetensorsPart]) -> HubModel {
    var description = description
    let counted = SafetensorsPart.parameters(headers)
    if let counted, counted != description.parametersTotal {
      description.notes.append(.countDiffers(described: description.parametersTotal, stored: counted))
    }
    return HubModel(
      description: description, files: headers.map(\.file), parametersCounted: counted,
      received: ByteCount(connection.received), requests: connection.requests)
  }

  /// The file as errors name it.
  func path(of file: String) -> String {
    let revision = reference.revision == HubReference.defaultRevision ? "" : "@\(reference.revision)"
    return "hf:\(reference.repository)\(revision):\(file)"
  }

  // MARK: Whole small files

  /// A JSON file of the repository; nil when there is none.
  func jsonIfAny(_ file: String, limit: Int) throws(HubError) -> JSON? {
    let url = reference.url(of: file, endpoint: connection.settings.endpoint)
    let answer = try connection.get(.init(url: url, file: file, limit: limit))
    if answer.status == 404, ["", "EntryNotFound"].contains(answer.errorCode) { return nil }
    return try json(answer, file: file, limit: limit)
  }

  /// The answer's body as JSON.
  private func json(_ answer: HubConnection.Answer, file: String?, limit: Int) throws(HubError) -> JSON {
    guard answer.status == 200 else { throw connection.refusal(answer, reference, file: file) }
    guard !answer.isCut else { throw .tooLarge(url: answer.url, limit: ByteCount(limit)) }
    do throws(JSONError) {
      return try JSON(parsing: answer.body)
    } catch {
      throw .notJSON(file: file.map(path) ?? answer.url, offset: error.offset)
    }
  }

  /// Names of the files at the top of the repository.
  private func listing() throws(HubError) -> [String] {
    let url = reference.listingURL(endpoint: connection.settings.endpoint)
    let answer = try connection.get(.init(url: url, file: "the list of files", limit: Self.listLimit))
    let list = try json(answer, file: nil, limit: Self.listLimit)
    return (list.arrayValue ?? []).compactMap { $0["path"]?.stringValue }.filter(HubReference.isPath)
  }

  /// The GGUF file of the repository, or the one whose name has a word in it.
  func onlyGGUF(matching word: String?) throws(HubError) -> String {
    let all = try listing().filter { $0.hasSuffix(".gguf") && SplitName($0)?.isLaterPart($0) != true }
    let word = word?.lowercased()
    let fitting = word.map { word in all.filter { $0.lowercased().contains(word) } } ?? all
    guard let first = fitting.first else {
      let wanted = word.map { "GGUF file with '\($0)' in its name" } ?? "config.json and no GGUF file"
      throw .noModel(repository: reference.repository, reason: "it has no \(wanted)")
    }
    guard fitting.count == 1 else { throw .ambiguous(repository: reference.repository, files: fitting) }
    return first
  }
}
