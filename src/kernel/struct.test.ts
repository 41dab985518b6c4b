import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Struct } from "./struct.ts";

type AnyStruct = Struct<Readonly<Record<string, "usize" | "f32" | "f64">>>;

const isStruct = (value: unknown): value is AnyStruct =>
  typeof value === "object" && value !== null && "fields" in value && "write" in value;

/** Every struct that a routine exports, by its Rust name. */
async function declared(): Promise<Record<string, [string, string][]>> {
  const routines = fileURLToPath(new URL("routines/", import.meta.url));
  const files = readdirSync(routines).filter((name) => !name.endsWith(".test.ts"));
  const modules = await Promise.all(
    files.map((name): Promise<Record<string, unknown>> => import(join(routines, name))),
  );
  const structs = modules.flatMap((exports) =>
    Object.entries(exports).flatMap(([name, value]) =>
      isStruct(value) ? [[name, Object.entries(value.fields)] as const] : [],
    ),
  );
  return Object.fromEntries(structs);
}

/** Every `#[repr(C)]` struct of the exports, its names in camelCase. */
function compiled(): Record<string, (readonly [string, string])[]> {
  const exports = fileURLToPath(new URL("../../kernel-wasm/src/exports/", import.meta.url));
  const files = [
    `${exports.slice(0, -1)}.rs`,
    ...readdirSync(exports).map((name) => join(exports, name)),
  ];
  const structs = files.flatMap((file) => {
    const text = readFileSync(file, "utf8").replaceAll(/ *\/\/.*/g, "");
    return [...text.matchAll(/#\[repr\(C\)\][^{]*struct (\w+) \{([^}]*)\}/g)].map(
      ([, name, fields]) => {
        const pairs = [...fields!.matchAll(/(\w+): (\w+),/g)].map(
          ([, field, kind]) =>
            [field!.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase()), kind] as const,
        );
        return [name, pairs] as const;
      },
    );
  });
  return Object.fromEntries(structs);
}

test("structs have the same fields in TypeScript and in Rust", async () => {
  expect(compiled()).not.toEqual({});
  expect(await declared()).toEqual(compiled());
});
