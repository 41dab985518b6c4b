import { quote } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { type BaseTensor, type BaseTensors, type CodedNames, tensorsOfCoding } from "./coding.ts";
import type { Declared } from "./declared.ts";
import { fitScheme } from "./fit-scheme.ts";
import { refuseQuantizedTensors, refuseUndeclared } from "./refusal.ts";

/** Tensors that a model of floats does not have: scales of activations and of the cache. */
const activations =
  /[._](input|activation|output|[qkv])(_global)?_(scale|zero_point)(_inv)?$|\.kv_scale$/;
/** Tensors that belong to codes. */
const parts =
  /_scale_inv$|_proj_scale$|\.weight_(scale|packed|shape|g_idx|zero_point)$|_(scales|blocks)$/;

/**
 * The tensors of a base as the role tables see them. Codes with their scales are one tensor of
 * values, under the name that it would have; scales of activations are left out.
 * Throws BAD_CHECKPOINT for codes and scales that do not fit each other or what is declared,
 * ALREADY_QUANTIZED for tensors that are coded in a way which is not declared.
 */
export function valueTensors(
  tensors: BaseTensors,
  declared: Declared | null,
  repository: Repository,
): BaseTensors {
  if (declared === null) {
    refuseUndeclared(tensors, repository);
    return tensors;
  }
  const values = new Map<string, BaseTensor>();
  const used = new Set<string>();
  for (const name of tensors.keys()) {
    const names = codedNames(name, tensors, declared);
    if (names === null) continue;
    const { shape, coding } = fitScheme(names, tensors, declared);
    for (const part of tensorsOfCoding(coding)) used.add(part);
    if (coding.shapeCopy !== null) used.add(coding.shapeCopy);
    if (tensors.has(names.values) && names.values !== names.codes)
      throw bad(`tensor ${quote(names.values)} is there twice: as floats, and in ${quote(name)}`);
    values.set(names.values, { dtype: "F32", shape, coding });
  }
  for (const [name, tensor] of tensors) {
    if (used.has(name) || activations.test(name)) continue;
    if (name.endsWith(".weight_g_idx")) throw orderedColumns(name);
    if (parts.test(name)) throw withoutCodes(name, tensors);
    values.set(name, tensor);
  }
  refuseQuantizedTensors(floatsOf(values), repository);
  return values;
}

/** The names that belong to a tensor of codes; null for any other tensor. */
function codedNames(name: string, tensors: BaseTensors, { method }: Declared): CodedNames | null {
  const { dtype } = tensors.get(name)!;
  const none = { zeros: null, shapeCopy: null };
  const blocks = /^(.*)_blocks$/.exec(name)?.[1];
  if (blocks !== undefined)
    return { ...none, format: "fp4", values: blocks, codes: name, scales: `${blocks}_scales` };
  const packed = /^(.*\.)weight_packed$/.exec(name)?.[1];
  if (packed !== undefined) {
    const given = (part: string) => (tensors.has(packed + part) ? packed + part : null);
    return {
      format: dtype === "I32" ? "int4" : "fp4",
      values: `${packed}weight`,
      codes: name,
      scales: `${packed}weight_scale`,
      zeros: given("weight_zero_point"),
      shapeCopy: given("weight_shape"),
    };
  }
  if (!/^F8_E(4M3|5M2)$/.test(dtype) || parts.test(name)) return null;
  const candidates = [`${name}_scale_inv`, `${name}_scale`].filter((own) => tensors.has(own));
  if (candidates.length > 1)
    throw bad(`tensor ${quote(name)} has two tensors of scales: ${candidates.map(quote).join()}`);
  const scales = candidates[0] ?? `${name}_scale${method === "fp8" ? "_inv" : ""}`;
  return { ...none, format: "fp8", values: name, codes: name, scales };
}

function orderedColumns(name: string): OqeError {
  return new OqeError(
    "ALREADY_QUANTIZED",
    `tensor ${quote(name)} gives the columns of codes an order of their own, which is not decoded`,
  );
}

/** A scale whose codes are missing, or are none. */
function withoutCodes(name: string, tensors: BaseTensors): OqeError {
  const module = name.replace(/_scales$/, "_blocks").replace(/_scale(_inv)?$/, "");
  const packed = name.replace(/\.weight_(scale|shape|zero_point)$/, ".weight_packed");
  const places = [...new Set([module, packed])].filter((place) => place !== name);
  const found = places.find((place) => tensors.has(place));
  const why =
    found === undefined
      ? `${places.map(quote).join(" or ")} is missing`
      : `${quote(found)} is ${tensors.get(found)!.dtype}, no codes`;
  return bad(`tensor ${quote(name)} belongs to no codes: ${why}`);
}

function floatsOf(values: BaseTensors): BaseTensors {
  return new Map([...values].filter(([, { coding }]) => coding === undefined));
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "The upload may be incomplete, or its weights are coded in a way that is not supported.",
  );
}
