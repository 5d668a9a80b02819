import { join } from 'node:path';
import { packageRoot } from './images.ts';
import { watchOutput, writeOutput } from './output.ts';
import { formatSourceReport, reportSources } from './source-lines.ts';

watchOutput();
await writeOutput(formatSourceReport(reportSources(join(packageRoot(), 'src'))));
