/** Modules of other packages that pages name, and that are not installed here. */
declare module '@opentelemetry/api-logs' {
  export const logs: { getLogger(name: string): never };
}
declare module '@nestjs/testing' {
  export const Test: { createTestingModule(metadata: object): any };
}
