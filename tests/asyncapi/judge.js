// Reads AsyncAPI documents, a file each; prints what the official parser says of them, as JSON.
import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";

const ERROR = 0;
const found = {};
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  const operations = document?.allOperations().all() ?? [];
  found[file] = {
    errors: diagnostics.filter((said) => said.severity === ERROR).map((said) => said.message),
    operations: Object.fromEntries(
      operations.map((one) => [
        one.id(),
        [one.action(), one.tags().all().map((tag) => tag.name())[0], one.channels().all()[0].address()],
      ]),
    ),
  };
}
console.log(JSON.stringify(found));
