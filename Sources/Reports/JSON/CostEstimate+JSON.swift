// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Compression
internal import Hardware
package import JSONText
internal import Quantities

extension CostEstimate {
  /// The keys of one estimate, as `estimate` and the rows of `fits` carry them (docs/json.md).
  package var json: [JSON.Member] {
    [
      .init("model", modelJSON), .init("variant", .string(variant.name)), .init("engine", .string(engine.rawValue)),
      .init("workload", workload.json), .init("weightsBytes", fileBytes.json),
      .init("bitsPerWeight", .number((bitsPerWeight * 1e6).rounded() / 1e6)), .init("memory", memory.json),
      .init("decodeTokensPerSecond", decode.json),
      .init("decodeTokensPerSecondPerSequence", decodePerSequence.json),
      .init("prefillTokensPerSecond", prefill.json), .init("timeToFirstTokenSeconds", timeToFirstToken.json),
      .init("energyJoulesPerToken", energyPerToken.json),
      .init("energyJoulesPerPromptToken", energyPerPromptToken.json), .init("quality", quality.json),
      .init("bound", bound.map { .string($0.rawValue) } ?? .null), .init("fits", fits.map { .bool($0) } ?? .null),
      .init("verdict", verdict.map { .string($0.rawValue) } ?? .null),
      .init("distribution", distribution?.json(places) ?? .null),
      .init("obstacle", obstacle.map { .string($0.sentence) } ?? .null),
    ]
  }

  private var modelJSON: JSON {
    [
      "name": .string(model), "parametersTotal": .integer(Int64(parametersTotal)),
      "parametersActive": .integer(Int64(parametersActive)),
    ]
  }
}

extension Distribution {
  fileprivate func json(_ places: [MemoryPlace]) -> JSON {
    [
      "sentence": .string(sentence), "devices": .integer(Int64(devices)),
      "tensorParallel": .integer(Int64(usesDevices ? parallel : 0)),
      "pipelineParallel": .integer(Int64(usesDevices ? stages : 0)),
      "expertParallel": .bool(holdsExpertsWhole), "layers": .integer(Int64(layers)),
      "deviceLayers": .integer(Int64(deviceLayers)),
      "deviceExpertLayers": .integer(Int64(expertLayers)), "headOnDevice": .bool(hasHead),
      "places": .array(places.map(\.json)),
    ]
  }
}

extension MemoryPlace {
  fileprivate var json: JSON {
    [
      "kind": .string(kind.rawValue), "device": device.map { .string($0) } ?? .null, "count": .integer(Int64(count)),
      "layers": .integer(Int64(layers)),
      "neededBytes": .integer(Int64(needed.bytes)), "usableBytes": usable.json,
      "verdict": verdict.map { .string($0.rawValue) } ?? .null,
    ]
  }
}

extension Workload {
  package var json: JSON {
    [
      "promptTokens": .integer(Int64(promptTokens)), "generatedTokens": .integer(Int64(generatedTokens)),
      "contextTokens": .integer(Int64(contextTokens)), "sequences": .integer(Int64(sequences)),
      "keyValueFormat": .string(keyValueFormat.rawValue), "microBatchTokens": .integer(Int64(microBatch)),
    ]
  }
}

extension MemorySums {
  package var json: JSON {
    [
      "weightsBytes": weights.json, "kvCacheBytes": keyValueCache.json, "computeBytes": compute.json,
      "overheadBytes": overhead.json, "totalBytes": total.json,
    ]
  }
}

extension QualityEstimate {
  /// The loss with its interval, and what it is called.
  package var json: JSON {
    guard case .object(let members) = loss.json else { return loss.json }
    return .object(
      members + [
        .init("metric", "ln(perplexity / perplexity of the original)"), .init("unit", "nats per token"),
        .init("grade", grade.map { .string($0.rawValue) } ?? .null),
      ])
  }
}

extension CostTerm {
  package var json: JSON {
    [
      "phase": .string(phase), "label": .string(label), "value": value.map { .number($0) } ?? .null,
      "unit": .string(unit), "formula": .string(formula), "basis": .string(basis.rawValue),
    ]
  }
}

extension Platform {
  /// The machine of an answer: what computes, and how much memory may be used.
  package var json: JSON {
    [
      "name": .string(machine.name), "origin": .string(machine.origin.rawValue),
      "device": device.map { .string($0.name) } ?? .null, "deviceCount": .integer(Int64(deviceCount)),
      "devices": .array(devices.map { .string($0.name) }),
      "threads": .integer(Int64(threads.decode)), "threadsBatch": .integer(Int64(threads.prefill)),
      "usableBytes": capacity.usable.json,
      "usableFrom": .string(capacity.label), "margin": .number(1 - Capacity.usableShare),
      "isCalibrated": .bool(machine.calibration != nil),
    ]
  }
}
