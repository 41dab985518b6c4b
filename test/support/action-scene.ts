import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type LocalHub, startLocalHub } from "../../src/local-hub/local-hub.ts";
import { unpackAction } from "../action/checkout.ts";
import { isHubWrite } from "./hub-writes.ts";
import { copyModel, removeFolder, scratchFolder, smallest } from "./models.ts";

/** The base that the tests of the Action publish: the smallest model with experts. */
export const base = "base/nemotron-nano-tiny";
export const token = "hf_tokenOfThisTestOnly";

/** The repository that trusts the workflow `release.yml` of `acme/series`. */
export const trusting = "trusting/nemotron-nano-tiny-oQ4e";

/** What the tests of one file share. It is complete once `beforeAll` has run. */
export class ActionScene {
  scratch = "";
  revision = "";
  /** Requests that change something on the Hub. A test empties the list first. */
  writes: string[] = [];
  /** Gated repositories, and who may read their files. A test may change it. */
  readonly gated: Record<string, string[]> = {};
  #hub: LocalHub | undefined;

  get hub(): LocalHub {
    if (this.#hub === undefined) throw new Error("the Hub starts in beforeAll");
    return this.#hub;
  }

  /** The Action as a runner unpacks it. */
  get action(): string {
    return `${this.scratch}/action`;
  }

  async open(): Promise<void> {
    this.scratch = await scratchFolder();
    await unpackAction(this.action, `${this.scratch}/git`);
    this.#hub = await startLocalHub({
      folder: `${this.scratch}/hub`,
      gated: this.gated,
      users: {
        [token]: { name: "robot", organizations: ["acme", "direct", "trusting"], role: "write" },
        hf_readOnly: { name: "reader", role: "read" },
        hf_base: { name: "base", role: "write" },
      },
      publishers: {
        [trusting]: [{ repository: "acme/series", workflow: "release.yml" }],
        "direct/small-oQ8e": [{ repository: "acme/series", workflow: "oqe.yml" }],
      },
      onRequest: (request) => {
        if (isHubWrite(request)) this.writes.push(`${request.method} ${request.url}`);
      },
    });
    const model = await copyModel(smallest.nemotron_h!, "base");
    // A card without a licence gives warnings.
    await writeFile(`${model}/README.md`, "---\nlicense: apache-2.0\n---\n");
    this.revision = await this.hub.seed(base, model);
    await removeFolder(dirname(model));
    await this.hub.seed("base/small", smallest.llama!);
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    await removeFolder(this.scratch);
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function actionScene(): ActionScene {
  const scene = new ActionScene();
  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  return scene;
}
