// SPDX-License-Identifier: Apache-2.0
internal import Hardware
package import JSONText
internal import Quantities

extension SampleStatistics {
  package var json: JSON {
    guard !samples.isEmpty else { return ["median": nil, "low": nil, "high": nil, "samples": []] }
    let interval = self.interval
    return [
      "median": .number(median), "low": .number(interval.low), "high": .number(interval.high),
      "samples": .array(samples.map { .number($0) }),
    ]
  }
}

extension Measurement.Phase {
  package var json: JSON { ["tokens": .integer(Int64(tokens)), "tokensPerSecond": tokensPerSecond.json] }

  init?(json: JSON?) {
    guard let json, let tokens = json["tokens"]?.intValue,
      let samples = json["tokensPerSecond"]?["samples"]?.arrayValue
    else { return nil }
    self.init(tokens: tokens, tokensPerSecond: SampleStatistics(samples.compactMap(\.doubleValue)))
  }
}

extension Measurement {
  /// The members of the answer of `measure` (docs/json.md), also the stored form.
  package var members: [JSON.Member] {
    var members: [JSON.Member] = [
      .init("date", .string(date)), .init("toolVersion", .string(toolVersion)), .init("machine", .string(machine)),
      .init("model", .string(model)), .init("variant", .string(variant)),
      .init("inventoryDigest", .string(inventoryDigest)), .init("synthetic", .bool(isSynthetic)),
      .init("threads", .integer(Int64(threads))), .init("threadsBatch", .integer(Int64(threadsBatch))),
      .init("kernels", .string(kernels)),
      .init("mode", .string(mode.rawValue)), .init("contextTokens", .integer(Int64(contextTokens))),
      .init("sequences", .integer(Int64(sequences))), .init("keyValueFormat", .string(keyValueFormat)),
      .init("prefill", prefill?.json ?? .null),
      .init("decode", decode?.json ?? .null), .init("peakResidentBytes", peakResident.json),
      .init("allocatedBytes", .integer(allocated.bytes)), .init("energy", energyPerToken.json),
      .init("energyPerPromptToken", energyPerPromptToken.json),
      .init(
        "warnings",
        .array(warnings.map { ["kind": .string($0.kind), "message": .string($0.message)] })),
      .init("complete", .bool(isComplete)),
    ]
    if let threadsReason { members.append(.init("threadsReason", .string(threadsReason))) }
    if let power { members.append(.init("power", power.json)) }
    if let profile { members.append(.init("profile", profile.json)) }
    return members
  }

  package var json: JSON { .object(members) }

  /// Reads the stored form; nil when a key that every measurement has is missing.
  package init?(json: JSON) {
    guard let date = json["date"]?.stringValue, let model = json["model"]?.stringValue,
      let variant = json["variant"]?.stringValue, let mode = json["mode"]?.stringValue.flatMap(Mode.init),
      let threads = json["threads"]?.intValue, let allocated = json["allocatedBytes"]?.intValue
    else { return nil }
    self.init(
      date: date, toolVersion: json["toolVersion"]?.stringValue ?? "", machine: json["machine"]?.stringValue ?? "",
      model: model, variant: variant, inventoryDigest: json["inventoryDigest"]?.stringValue ?? "",
      isSynthetic: json["synthetic"]?.boolValue ?? true, threads: threads,
      threadsBatch: json["threadsBatch"]?.intValue, kernels: json["kernels"]?.stringValue ?? "", mode: mode,
      contextTokens: json["contextTokens"]?.intValue ?? 0, sequences: json["sequences"]?.intValue ?? 1,
      keyValueFormat: json["keyValueFormat"]?.stringValue ?? "f16", prefill: Phase(json: json["prefill"]),
      decode: Phase(json: json["decode"]), allocated: ByteCount(allocated))
    peakResident = Self.known(json["peakResidentBytes"])
    energyPerToken = Self.known(json["energy"])
    if let told = json["energyPerPromptToken"] { energyPerPromptToken = Self.known(told) }
    warnings = (json["warnings"]?.arrayValue ?? []).map {
      Warning(kind: $0["kind"]?.stringValue ?? "", message: $0["message"]?.stringValue ?? "")
    }
    isComplete = json["complete"]?.boolValue ?? true
  }

  private static func known<Value: Quantity>(_ json: JSON?) -> Known<Value> {
    guard let json else { return .unknown(reason: "not stored") }
    let reader = ProfileReader(json, file: "measurement", path: "measurement")
    return (try? Known(reading: reader)) ?? .unknown(reason: "stored in a form that is not understood")
  }
}
