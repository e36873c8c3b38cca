// SPDX-License-Identifier: Apache-2.0
import CostModel
import LanguageModel
import Testing

@Suite struct RuntimeSupportTests {
  @Test(arguments: [
    "meta-llama/Llama-3.1-8B", "Qwen/Qwen3-8B", "google/gemma-3-4b-it", "microsoft/phi-4", "microsoft/phi-2",
    "ibm-granite/granite-3.3-2b-instruct", "HuggingFaceTB/SmolLM3-3B", "openai-community/gpt2",
    "EleutherAI/pythia-1b", "bigscience/bloom-560m", "tiiuae/falcon-7b", "tiiuae/falcon-40b",
    "facebook/opt-125m", "bigcode/starcoder2-3b",
    "allenai/OLMo-2-1124-7B", "Qwen/Qwen1.5-MoE-A2.7B", "Qwen/Qwen3-30B-A3B", "mistralai/Mixtral-8x7B-v0.1",
    "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite", "zai-org/GLM-4-9B-0414",
  ])
  func `a published model of a proven architecture runs here`(identifier: String) throws {
    let model = try Fixture.model(identifier)
    #expect(model.inventory.tensors.first { !RuntimeSupport.roles.contains($0.role) } == nil)
    #expect(RuntimeSupport.runs(model))
  }

  @Test(arguments: [
    "state-spaces/mamba-2.8b-hf", "tiiuae/Falcon-H1-1.5B-Base",
    "meta-llama/Llama-3.2-11B-Vision-Instruct",
  ])
  func `recurrent mixers and layers without a cache of their own do not`(identifier: String) throws {
    #expect(!RuntimeSupport.runs(try Fixture.model(identifier)))
  }
}
