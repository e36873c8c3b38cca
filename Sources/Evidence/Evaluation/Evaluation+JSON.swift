// SPDX-License-Identifier: Apache-2.0
package import JSONText

extension Estimate {
  package var json: JSON { ["value": .number(value), "standardError": standardError.map { .number($0) } ?? .null] }
}

extension JSON {
  fileprivate init(_ value: Double?) { self = value.map { .number($0) } ?? .null }
}

extension TextScore {
  package var json: JSON {
    [
      "method": .string(method.rawValue), "contextTokens": .integer(Int64(contextTokens)),
      "strideTokens": .integer(Int64(strideTokens)), "tokens": .integer(Int64(likelihood.count)),
      "words": extent.map { .integer(Int64($0.words)) } ?? .null,
      "bytes": extent.map { .integer(Int64($0.bytes)) } ?? .null,
      "natsPerToken": likelihood.estimate?.json ?? .null, "perplexity": perplexity?.json ?? .null,
      "wordPerplexity": JSON(wordPerplexity), "bytePerplexity": JSON(bytePerplexity), "bitsPerByte": JSON(bitsPerByte),
    ]
  }
}

extension Divergence {
  package static let percents = [50.0, 90, 95, 99, 99.9]

  package var json: JSON {
    let values = percentiles(Self.percents)
    let names = ["median", "percentile90", "percentile95", "percentile99", "percentile99_9"]
    var members: [JSON.Member] = [
      .init("tokens", .integer(Int64(tokens))), .init("mean", mean?.json ?? .null),
    ]
    members += names.enumerated().map { .init($1, JSON(values?[$0])) }
    members += [
      .init("maximum", JSON(maximum)), .init("topAgreement", topAgreement?.json ?? .null),
      .init("referencePerplexity", referencePerplexity?.json ?? .null),
      .init("lossIncrease", lossIncrease?.json ?? .null),
      .init("isWithinStandardError", isWithinError.map { .bool($0) } ?? .null),
    ]
    return .object(members)
  }
}

extension ChoiceScore {
  package var json: JSON {
    [
      "task": .string(task), "count": .integer(Int64(count)), "acc": acc?.json ?? .null,
      "accNorm": accNorm?.json ?? .null,
    ]
  }
}

extension Evaluation.Subject {
  fileprivate var members: [JSON.Member] {
    [
      .init("model", .string(model)), .init("variant", .string(variant)), .init("file", .string(file)),
      .init("inventoryDigest", .string(inventoryDigest)),
    ]
  }
}

extension Evaluation {
  /// The members of the answer of `evaluate` (docs/json.md), also the stored form.
  package var members: [JSON.Member] {
    [
      .init("date", .string(date)), .init("toolVersion", .string(toolVersion)), .init("machine", .string(machine)),
    ] + subject.members + [
      .init("reference", reference.map { .object($0.members) } ?? .null),
      .init("threads", .integer(Int64(threads))), .init("threadsBatch", .integer(Int64(threadsBatch))),
      .init("kernels", .string(kernels)),
      .init("keyValueFormat", .string(keyValueFormat)), .init("text", text?.json ?? .null),
      .init("divergence", divergence?.json ?? .null), .init("tasks", .array(tasks.map(\.json))),
      .init("referenceTasks", .array(referenceTasks.map(\.json))),
      .init("complete", .bool(isComplete)),
    ]
  }
}
