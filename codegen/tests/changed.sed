# Edits that make the contract's next version. change.rs tests the effect of each.
s/at_most: { type: string, maxLength: 3 }/at_most: { type: string, maxLength: 5 }/
s/free: { type: string }/free: { type: string, pattern: '^[a-z]*$' }/
s/between: { type: string, minLength: 2/between: { type: string, minLength: 1/
s/to: { type: number, maximum: 1000000 }/to: { type: number, maximum: 999.99 }/
s/above: { type: number, minimum: 0, exclusiveMinimum: true }/above: { type: number, minimum: 0 }/
s/not: { enum: \[0, -1\] }/not: { enum: [5] }/
s/tenths: { type: number, x-decimals-max: 1 }/tenths: { type: number, x-decimals-max: 2 }/
s/x-bytes-max: 3000000/x-bytes-max: 4000000/
s/required: \[known\]/required: [known, other]/
s/minProperties: 2/additionalProperties: false/
s/notes: { type: array, minItems: 1, maxItems: 2/notes: { type: array, minItems: 0, maxItems: 3/
s/enum: \[only\]/enum: [only, other]/
s/maximum: 100, default: 20/maximum: 50, default: 10/
s/name: needed, in: query, required: true/name: needed, in: query, required: false/
