/** Where the sign-in page may lead: a path of this site, else the front page. Pure. */

export function insideSite(to: string | undefined): string {
  return to?.startsWith('/') && !to.startsWith('//') && !to.startsWith('/\\') && !to.startsWith('/sign-in') ? to : '/';
}
