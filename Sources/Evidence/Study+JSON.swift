// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension Study.Entry {
  package var json: JSON {
    [
      "label": .string(label), "variant": .string(variant), "roundsToNearest": .bool(roundsToNearest),
      "pruneBy": pruneBy.map { .string($0) } ?? .null,
      "file": .string(file), "adapter": adapter.map { .string($0) } ?? .null, "training": training?.json ?? .null,
      "fileBytes": fileBytes.map { .integer($0.bytes) } ?? .null,
      "bitsPerWeight": bitsPerWeight.map { .number($0) } ?? .null, "measurement": measurement ?? .null,
      "estimatedEnergy": estimatedEnergy ?? .null, "evaluation": evaluation ?? .null,
      "refusal": refusal.map { .string($0) } ?? .null,
    ]
  }

  init?(json: JSON) {
    guard let label = json["label"]?.stringValue, let variant = json["variant"]?.stringValue,
      let file = json["file"]?.stringValue
    else { return nil }
    self.init(
      label: label, variant: variant, file: file, adapter: json["adapter"]?.stringValue,
      training: Study.Training(json: json["training"]), roundsToNearest: json["roundsToNearest"]?.boolValue ?? false,
      pruneBy: json["pruneBy"]?.stringValue)
    fileBytes = json["fileBytes"]?.intValue.map { ByteCount($0) }
    bitsPerWeight = json["bitsPerWeight"]?.doubleValue
    if let answer = json["measurement"], !answer.isNull { measurement = answer }
    if let answer = json["estimatedEnergy"], !answer.isNull { estimatedEnergy = answer }
    if let answer = json["evaluation"], !answer.isNull { evaluation = answer }
    refusal = json["refusal"]?.stringValue
  }
}

extension Study.Training {
  fileprivate var json: JSON {
    ["seed": .integer(Int64(clamping: seed)), "hasTeacher": .bool(hasTeacher), "record": record ?? .null]
  }

  fileprivate init?(json: JSON?) {
    guard let json, let seed = json["seed"]?.intValue else { return nil }
    self.init(seed: UInt64(clamping: seed), hasTeacher: json["hasTeacher"]?.boolValue ?? false)
    if let answer = json["record"], !answer.isNull { record = answer }
  }
}

extension Study {
  /// The members of the answer of `study` (docs/json.md), also the stored form.
  package var members: [JSON.Member] {
    [
      .init("model", .string(model)), .init("machine", .string(machine)), .init("date", .string(date)),
      .init("settings", settings), .init("note", note.map { .string($0) } ?? .null),
      .init("complete", .bool(isComplete)),
      .init("entries", .array(entries.map(\.json))),
    ]
  }

  /// Reads the stored form; nil when it is something else.
  package init?(json: JSON) {
    guard let model = json["model"]?.stringValue, let settings = json["settings"],
      let entries = json["entries"]?.arrayValue
    else { return nil }
    self.init(
      model: model, machine: json["machine"]?.stringValue ?? "", date: json["date"]?.stringValue ?? "",
      settings: settings, entries: entries.compactMap { Entry(json: $0) })
    note = json["note"]?.stringValue
  }
}
