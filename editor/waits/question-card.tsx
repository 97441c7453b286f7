/**
 * What a person is asked: the media and the text to look at, the texts that may be changed, and the outcomes to choose
 * from. The same card in the list, beside the canvas and behind a signed link on a phone.
 */
import './waits.css';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { Decision } from '../../nodes/contract.ts';
import type { Outputs } from '../api.ts';
import { ValueView } from '../media/value-view.tsx';
import { dateTime, exact } from '../shell/dates.ts';
import { Button } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Select, TextArea } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { announce } from '../ui/live.tsx';

export type Question = Outputs['waits']['get'];

type QuestionCardProps = {
  question: Question;
  /** Sends the answer; gives back the question as it is then. */
  decide: (decision: Decision) => Promise<Question>;
  onDecided?: (question: Question) => void;
};

export function QuestionCard({ question: asked, decide, onDecided }: QuestionCardProps) {
  const [edits, setEdits] = useState<Record<string, string>>({});
  const [comment, setComment] = useState('');
  const [answered, setAnswered] = useState<Question | null>(null);
  const question = answered ?? asked;
  const choose = useMutation({
    mutationFn: (outcome: string) => decide({ outcome, edits, comment: comment.trim() }),
    onSuccess: (now) => {
      setAnswered(now);
      announce('Your answer is on its way.');
      onDecided?.(now);
    },
  });
  const { outcomes, fields, item } = question;
  return (
    <article className="card question" aria-label={question.title}>
      <header className="grid gap-1">
        <h2 className="h-16">{question.title}</h2>
        <p className="muted t-12">
          {question.pipelineName}, run {question.runNumber}
          {question.brandName && ` for ${question.brandName}`}
          {question.path.length > 0 && `, item ${question.path.map((index) => index + 1).join('.')}`}
        </p>
        {question.message && <p className="whitespace-pre-line">{question.message}</p>}
      </header>
      <div className="question-item">
        <ValueView workspaceId={question.workspaceId} type={item.type} value={item.value} />
      </div>
      {question.state === 'open' ? (
        <>
          {fields.map((field) => (
            <Field key={field.name} label={named(field.title)}>
              {({ id }) =>
                field.choices ? (
                  <Select
                    id={id}
                    value={edits[field.name] ?? field.value}
                    placeholder="Choose…"
                    options={field.choices.map((choice) => ({ value: choice.value, label: choice.title }))}
                    onChange={(value) => setEdits({ ...edits, [field.name]: value })}
                  />
                ) : (
                  <TextArea
                    id={id}
                    rows={field.value.length > 90 ? 4 : 2}
                    value={edits[field.name] ?? field.value}
                    onChange={(event) => setEdits({ ...edits, [field.name]: event.target.value })}
                  />
                )
              }
            </Field>
          ))}
          <Field label="A word about it" help="Optional. It is kept with the step.">
            {({ id, describedBy }) => (
              <TextArea
                id={id}
                rows={2}
                aria-describedby={describedBy}
                maxLength={2000}
                value={comment}
                onChange={(event) => setComment(event.target.value)}
              />
            )}
          </Field>
          {choose.error && <ErrorOf error={choose.error} />}
          <div className="question-ways">
            {outcomes.map(({ name, title }, index) => (
              <Button
                key={name}
                size="lg"
                look={index === 0 ? 'main' : 'plain'}
                busy={choose.isPending && choose.variables === name}
                disabled={choose.isPending}
                onClick={() => choose.mutate(name)}
              >
                {title}
              </Button>
            ))}
          </div>
          <p className="muted t-12">
            {isOverdue(question) && (
              <span className="text-warning" title={exact(question.createdAt)}>
                Has been waiting since {dateTime(question.createdAt)}.{' '}
              </span>
            )}
            {question.until && <span title={exact(question.until)}>Open until {dateTime(question.until)}.</span>}
          </p>
        </>
      ) : (
        <p className="row" role="status">
          <Icon name={question.state === 'answered' ? 'check' : 'clock'} size={16} className="text-muted" />
          <span>{ended(question)}</span>
        </p>
      )}
    </article>
  );
}

/** Its reminder was due. */
const isOverdue = ({ remindAt }: Question) => remindAt !== null && new Date(remindAt) <= new Date();

const named = (field: string): string => {
  const last = field.split('.').at(-1) ?? field;
  return last.charAt(0).toUpperCase() + last.slice(1);
};

function ended(question: Question): string {
  switch (question.state) {
    case 'answered': {
      const title = question.outcomes.find(({ name }) => name === question.answered?.outcome)?.title ?? 'Answered';
      const by = question.answered?.by;
      return `${title}${by ? ` by ${by}` : ''}, ${dateTime(question.answered?.at ?? question.createdAt)}.`;
    }
    case 'expired':
      return 'The time to answer is over.';
    case 'over':
      return 'This run has ended.';
    case 'open':
      return '';
    default:
      return question.state satisfies never;
  }
}
